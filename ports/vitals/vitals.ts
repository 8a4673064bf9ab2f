/** How the machine itself is doing, as far as a start has to know. */
export interface Vitals {
  /** Degrees Celsius; `not-fitted` where the configuration says so, null when the reading could not be taken. */
  temperature(): Promise<{ readonly celsius: number } | 'not-fitted' | null>;
  battery(): Promise<{ readonly percent: number; readonly charging: boolean } | 'not-fitted' | null>;
  /** Share of all processors that was busy since the last question, percent; undefined at the first one. */
  cpuPercent(): number | undefined;
}
