import { ulid } from 'ulid';
import type { Clock } from '#ports/clock/clock.ts';

/** After the stop of a session its manifests are still written; a jump of rig time would go right through them. */
const FROZEN_AFTER_STOP_US = 60_000_000;
/** Below this a difference is one of reading the clocks, not a step. */
const READING_ERROR_US = 1_000;
const GOOD_ENOUGH_US = 20;
const ATTEMPTS = 10;

/**
 * The master's rig time: its own wall clock, as a constant over the monotonic one (the kernel slews both alike, so only a step changes
 * it). A step moves rig time outside of recordings only: while the rig records, rig time goes on as if nothing had been stepped.
 */
export interface OwnTime {
  /** Rig time minus the monotonic clock. */
  readonly offsetUs: number;
  /** Identity of this line of time; another one after each jump. */
  readonly line: string;
  /** Compares with the wall clock; `recording` says whether the rig records now. Cheap; called many times a second. */
  look(recording: boolean): void;
  /** Goes on with the rig time that others kept while this node was away: rig time is `masterUs` at `monoUs`. */
  carryOn(monoUs: number, masterUs: number): void;
}

export function createOwnTime(clock: Clock): OwnTime {
  let best = measured(clock);
  let offsetUs = best.offsetUs;
  /** What contradicted it last: a step is believed when it is seen twice. */
  let doubt: number | undefined;
  let line = ulid();
  let frozenUntilUs = Number.NEGATIVE_INFINITY;

  return {
    get offsetUs() {
      return offsetUs;
    },
    get line() {
      return line;
    },
    look(recording) {
      const nowUs = clock.monoUs();
      if (recording) frozenUntilUs = nowUs + FROZEN_AFTER_STOP_US;
      if (nowUs <= frozenUntilUs) return;
      const found = measured(clock);
      const errorUs = READING_ERROR_US + found.errorUs + best.errorUs;
      if (Math.abs(found.offsetUs - offsetUs) <= errorUs) {
        doubt = undefined;
        // Between two steps it is a constant: only a better reading says more about it.
        if (found.errorUs >= best.errorUs) return;
      } else if (doubt === undefined || Math.abs(found.offsetUs - doubt) > errorUs) {
        doubt = found.offsetUs;
        return;
      } else {
        doubt = undefined;
        line = ulid();
      }
      best = found;
      offsetUs = found.offsetUs;
    },
    carryOn(monoUs, masterUs) {
      offsetUs = masterUs - monoUs;
    },
  };
}

/** The wall clock minus the monotonic one, read again while the machine gets in between. */
function measured(clock: Clock): { offsetUs: number; errorUs: number } {
  let best = { offsetUs: 0, errorUs: Number.POSITIVE_INFINITY };
  for (let attempt = 0; attempt < ATTEMPTS && best.errorUs > GOOD_ENOUGH_US; attempt++) {
    const beforeUs = clock.monoUs();
    const wallUs = clock.wallUs();
    const afterUs = clock.monoUs();
    const errorUs = Math.ceil((afterUs - beforeUs) / 2) + clock.readErrorUs;
    if (errorUs < best.errorUs) best = { offsetUs: wallUs - Math.round((beforeUs + afterUs) / 2), errorUs };
  }
  return best;
}
