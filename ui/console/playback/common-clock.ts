/** The clock that all pictures of a session follow. Seconds of the session against milliseconds of the page. Pure. */
export interface CommonClock {
  readonly atSec: number;
  /** When it was `atSec`. */
  readonly sinceMs: number;
  readonly speed: number;
  readonly running: boolean;
}

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4] as const;

export function timeAt({ atSec, sinceMs, speed, running }: CommonClock, nowMs: number): number {
  return running ? atSec + ((nowMs - sinceMs) / 1000) * speed : atSec;
}

/** The same moment, from which it goes on as told. */
export function going(
  clock: CommonClock,
  nowMs: number,
  change: Partial<Pick<CommonClock, 'running' | 'speed'>>,
): CommonClock {
  return { ...clock, atSec: timeAt(clock, nowMs), sinceMs: nowMs, ...change };
}

export function movedTo(clock: CommonClock, nowMs: number, atSec: number): CommonClock {
  return { ...clock, atSec, sinceMs: nowMs };
}
