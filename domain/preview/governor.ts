/** When previews give way to the recording. */
export interface GovernorLimits {
  readonly offAbovePercent: number;
  readonly onBelowPercent: number;
}

/** A load has to last this long to count: off after the first, back after the second. Seconds. */
const OFF_AFTER_SEC = 10;
const ON_AFTER_SEC = 60;

/** Turns previews off while the machine is busy, and back on when it has been quiet for long. */
export function createGovernor({ offAbovePercent, onBelowPercent }: GovernorLimits): {
  /** The load of the processors now; returns whether previews may run. */
  look(monoUs: number, cpuPercent: number | undefined): boolean;
} {
  let allowed = true;
  let since: number | undefined;
  return {
    look(monoUs, cpuPercent) {
      const counts =
        cpuPercent !== undefined && (allowed ? cpuPercent > offAbovePercent : cpuPercent < onBelowPercent);
      if (!counts) {
        since = undefined;
        return allowed;
      }
      since ??= monoUs;
      if (monoUs - since < (allowed ? OFF_AFTER_SEC : ON_AFTER_SEC) * 1e6) return allowed;
      allowed = !allowed;
      since = undefined;
      return allowed;
    },
  };
}
