import type { WireError } from '#contracts/errors.ts';
import type { ClockStep } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import { createStepDetector } from '#domain/recording/clock-steps.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';

const STEPS_KEPT = 20;
/** A step is a warning for this long, and while the session lasts in which it happened. */
const WARNED_US = 60_000_000;

/** Steps of the wall clock, found by comparing it with the monotonic one. */
export interface Steps {
  /** Looks now; `recording` says whether the rig records. Called ten times a second. */
  look(recording: boolean): ClockStep | undefined;
  /** The last ones, oldest first. */
  readonly all: readonly ClockStep[];
  warning(): WireError | undefined;
}

export function createSteps(clock: Clock): Steps {
  const detector = createStepDetector();
  let all: readonly ClockStep[] = [];
  let warnUntilUs = Number.NEGATIVE_INFINITY;
  let duringSession = false;

  return {
    look(recording) {
      const monoUs = clock.monoUs();
      const found = detector.look(monoUs, wallAt(clock, monoUs), 2 * clock.readErrorUs);
      // The warning of a step in a session ends a minute after the session.
      if (duringSession && recording) warnUntilUs = monoUs + WARNED_US;
      if (!recording) duringSession = false;
      if (found === undefined) return undefined;
      const step: ClockStep = {
        at: toWireTime(found.wallUs),
        mono_us: found.monoUs,
        step_ms: found.stepUs / 1000,
      };
      all = [...all, step].slice(-STEPS_KEPT);
      warnUntilUs = monoUs + WARNED_US;
      duringSession ||= recording;
      return step;
    },
    get all() {
      return all;
    },
    warning() {
      const last = all.at(-1);
      if (last === undefined || clock.monoUs() > warnUntilUs) return undefined;
      return {
        code: 'clock_stepped',
        message: `the clock was stepped by ${last.step_ms.toFixed(1)} ms at ${last.at}; recordings go on unharmed`,
        details: { step: last },
      };
    },
  };
}
