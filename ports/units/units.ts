/** The services of a node as units of the machine's init system. */
export interface Units {
  /** Restarts them and returns once each has been started. Throws `services_not_restarted`. */
  restart(names: readonly string[]): Promise<void>;
  /** Asks for the restart of the unit that asks, and does not wait: it ends this process. Throws `services_not_restarted`. */
  restartOwn(name: string): Promise<void>;
  /** Those that do not run, with the state that they are in. Throws `services_not_restarted` when that cannot be told. */
  notRunning(names: readonly string[]): Promise<{ readonly name: string; readonly state: string }[]>;
}
