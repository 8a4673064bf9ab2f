import { type ExchangeSample, STAMP_ERROR_US } from './exchange.ts';

/** Least and greatest master minus monotonic time that can be true, microseconds from the origin. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What exchanges prove, and nothing else: a set of offsets, and the instant it belongs to. */
export interface ProvenInterval {
  /** Narrows the interval; false, and nothing changed, when the exchange leaves nothing that could be true. */
  add(sample: ExchangeSample): boolean;
  /** Undefined before the first exchange. */
  at(monoUs: number): Interval | undefined;
}

/**
 * A question arrives after it was sent and an answer after it was given, so master minus monotonic time is at most t2 - t1 at t1 and at least
 * t3 - t4 at t4. Between instants it changes by no more than `maxRatePpm`. The offsets that fulfil all of these at once are an interval, and
 * carrying its two ends along gives just that interval: nothing narrower can be guaranteed from these two facts alone
 * (Marzullo and Owicki, "Maintaining the time in a distributed system", 1983, algorithm IM).
 */
export function createProvenInterval(originUs: number, maxRatePpm: number): ProvenInterval {
  const rate = maxRatePpm / 1e6;
  let atUs = 0;
  let known: Interval | undefined;

  const widened = (monoUs: number): Interval | undefined => {
    if (known === undefined) return undefined;
    const byUs = rate * Math.abs(monoUs - atUs);
    return { low: known.low - byUs, high: known.high + byUs };
  };

  return {
    add(sample) {
      const { t1MonoUs, t2MasterUs, t3MasterUs, t4MonoUs, peerBoundUs } = sample;
      const errorUs = peerBoundUs + STAMP_ERROR_US;
      const before = widened(t4MonoUs);
      const low = t3MasterUs - t4MonoUs - originUs - errorUs;
      const high = t2MasterUs - t1MonoUs - originUs + errorUs + rate * (t4MonoUs - t1MonoUs);
      const next =
        before === undefined
          ? { low, high }
          : { low: Math.max(low, before.low), high: Math.min(high, before.high) };
      if (next.low > next.high) return false;
      known = next;
      atUs = t4MonoUs;
      return true;
    },
    at: widened,
  };
}
