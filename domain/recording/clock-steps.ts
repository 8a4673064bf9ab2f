/** A wall clock that was set: when it was noticed, and by how much (forward is positive). Microseconds. */
export interface WallStep {
  readonly monoUs: number;
  readonly wallUs: number;
  readonly stepUs: number;
}

/**
 * Both clocks of a kernel are slewed alike, so between two looks their difference changes only by a step. Below this it is the error of
 * reading them one after the other.
 */
const READING_ERROR_US = 1_000;

/** Finds steps of the wall clock by comparing it with the monotonic one. `errorUs`: how far a reading of the two can be off. */
export function createStepDetector(): {
  look(monoUs: number, wallUs: number, errorUs?: number): WallStep | undefined;
} {
  let offsetUs: number | undefined;
  return {
    look(monoUs, wallUs, errorUs = 0) {
      const before = offsetUs;
      const now = wallUs - monoUs;
      if (before !== undefined && Math.abs(now - before) <= READING_ERROR_US + errorUs) return undefined;
      offsetUs = now;
      return before === undefined ? undefined : { monoUs, wallUs, stepUs: now - before };
    },
  };
}
