/** The power of the machine that this program runs on, perhaps in a container. */
export interface HostPower {
  /** Begins an orderly power-off: file systems are unmounted by the host. Resolves once it was accepted. Throws `power_refused`. */
  powerOff(): Promise<void>;
}
