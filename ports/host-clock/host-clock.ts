/** The service of the host that owns the clock, seen from a container: chronyd under systemd. */
export interface HostClock {
  /** Stops the unit and waits until it is. Throws `host_clock_refused`. */
  stop(unit: string): Promise<void>;
  /** Starts it again. Throws `host_clock_refused`. */
  start(unit: string): Promise<void>;
}
