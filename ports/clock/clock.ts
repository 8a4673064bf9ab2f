/**
 * Time as the product needs it: a monotonic count that nothing steps, a wall clock, and named waits.
 * All times are integer microseconds.
 */
export interface Clock {
  /** Identity of the kernel whose monotonic clock this is; a monotonic time is meaningless without it. */
  readonly bootId: string;
  /** Monotonic microseconds; comparable across processes with the same `bootId`. */
  monoUs(): number;
  /** Local wall clock, microseconds since 1970 UTC. */
  wallUs(): number;
  /** How far `wallUs` can be from the kernel's wall clock because of how it is read, microseconds. */
  readonly readErrorUs: number;
  /**
   * Resolves when the monotonic clock has reached `monoUs` (at once when it has passed).
   * `name` says what is waited for. Rejects with the signal's reason.
   */
  sleepUntil(monoUs: number, name: string, signal?: AbortSignal): Promise<void>;
  /** Calls `tick` every `intervalMs` until the returned function is called; never two at once, never a burst. */
  every(intervalMs: number, name: string, tick: () => void | Promise<void>): () => void;
}

/** Two readings further apart than this had something between them. */
const CLOSE_TOGETHER_US = 50;

/** The wall clock at a monotonic instant: both clocks are read close together, and again when the machine got in between. */
export function wallAt(clock: Pick<Clock, 'monoUs' | 'wallUs'>, monoUs: number): number {
  let best = { apartUs: Number.POSITIVE_INFINITY, offsetUs: 0 };
  for (let attempt = 0; attempt < 5 && best.apartUs > CLOSE_TOGETHER_US; attempt++) {
    const beforeUs = clock.monoUs();
    const wallUs = clock.wallUs();
    const afterUs = clock.monoUs();
    const apartUs = afterUs - beforeUs;
    if (apartUs < best.apartUs) best = { apartUs, offsetUs: wallUs - Math.round((beforeUs + afterUs) / 2) };
  }
  return monoUs + best.offsetUs;
}
