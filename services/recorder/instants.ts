import { toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Logger } from '#runtime/logger.ts';
import type { RigClock } from './rig-clock.ts';

/** Clocks of a rig that agreed are not further apart. */
const DOUBT_US = 2_000_000;

/**
 * Agreed instants on this node, monotonic microseconds. A clock that is not set yet can put them far away; then they are now: a recording whose
 * time is doubtful is better than none.
 */
export interface Instants {
  /** Nobody agrees on a start that is far ahead; and one that seems long ago would end the session at once. */
  startMonoOf(startAtUs: number): number;
  /** Never long from now, whatever the clock says. */
  stopMonoOf(stopAtUs: number): number;
}

export function createInstants(deps: {
  rig: () => RigClock;
  clock: Clock;
  log: Logger;
  /** How far ahead a start is agreed on. */
  startLeadUs: number;
}): Instants {
  const { rig, clock, log } = deps;
  const furthestUs = deps.startLeadUs + DOUBT_US;
  return {
    startMonoOf(startAtUs) {
      const nowUs = clock.monoUs();
      const monoUs = rig().monoOfMaster(startAtUs);
      const unknown = rig().masterOfMono(nowUs) === undefined;
      if (monoUs - nowUs <= furthestUs && !(unknown && nowUs - monoUs > furthestUs)) return monoUs;
      const sec = ((monoUs - nowUs) / 1e6).toFixed(1);
      log.warn(
        { start_at: toWireTime(startAtUs) },
        `by its clock the start is ${sec} s away: recording begins now`,
      );
      return nowUs;
    },
    stopMonoOf: (stopAtUs) => Math.min(rig().monoOfMaster(stopAtUs), clock.monoUs() + DOUBT_US),
  };
}
