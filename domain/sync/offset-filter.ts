import { mixed, startAt } from './clock-model.ts';
import { type ExchangeSample, roundTripUs } from './exchange.ts';
import { createNoiseGauge, createSlantGauge, createWanderGauge } from './gauges.ts';
import { halfWidthOf, within } from './mixture.ts';
import { createPathDelay } from './path-delay.ts';
import { createWanderBank, type WanderBank } from './wander-bank.ts';

/** Master minus monotonic time at one instant, as far as statistics tell. */
export interface OffsetEstimate {
  /** Microseconds from the origin. */
  readonly offsetUs: number;
  readonly ratePpm: number;
  /** 95 % of the true offsets are within this of `offsetUs`. */
  readonly ci95Us: number;
  /** Probability that the true offset is within `us` of `offsetUs`. */
  within(us: number): number;
}

export interface OffsetFilter {
  add(sample: ExchangeSample): void;
  /** Only after an exchange was added. */
  at(monoUs: number): OffsetEstimate;
}

/** Standard deviations before anything was measured: two crystals, in a case that may just have been put into the sun. */
const RATE_PPM = 30;
const CHANGE_PPM_PER_SEC = 0.01;
/** Of the mean of two differences of time stamps that are cut to whole microseconds. */
const STAMP_VARIANCE = 0.25;

/** Where queues wait in several places they are never all empty: the least round trip is about so many times its doubt above the least possible. */
const DOUBTS = 5;

/**
 * The statistical half of the estimate. An exchange shows the offset halfway with an error of (queue there - queue back) / 2. The round trip tells how much
 * queue there was in all, and so how far an exchange can be trusted: no further than half of what it took above the least one
 * (the wedge of Mills, "Computer Network Time Synchronization", huff-n-puff filter; Veitch, Ridoux and Korada, "Robust
 * synchronization of absolute and difference clocks over networks", IEEE/ACM Transactions on Networking 17, 2009).
 */
export function createOffsetFilter(originUs: number): OffsetFilter {
  const path = createPathDelay();
  const noise = createNoiseGauge();
  const wander = createWanderGauge();
  const slant = createSlantGauge();
  let bank: WanderBank | undefined;
  let leastDoubtUs = 0;

  return {
    add(sample) {
      const { t1MonoUs, t2MasterUs, t3MasterUs, t4MonoUs } = sample;
      const halfwayUs = (t1MonoUs + t4MonoUs) / 2;
      const seen = (t2MasterUs - t1MonoUs - originUs + (t3MasterUs - t4MonoUs - originUs)) / 2;
      const roundTrip = roundTripUs(sample);
      const { excessUs, doubtUs } = path.add(t4MonoUs, roundTrip);
      leastDoubtUs = doubtUs;
      const queuesUs = excessUs + doubtUs;
      const variance = STAMP_VARIANCE + noise.share * queuesUs ** 2;
      if (bank === undefined) {
        bank = createWanderBank(halfwayUs, startAt(seen, [variance, RATE_PPM ** 2, CHANGE_PPM_PER_SEC ** 2]));
        return;
      }
      const foretold = bank.observe(halfwayUs, { seen, variance, reach: queuesUs / 2, excess: excessUs });
      wander.add(foretold, variance);
      noise.add(foretold, variance, queuesUs);
      slant.add(foretold, variance, queuesUs);
    },
    at(monoUs) {
      const beliefs = bank?.at(monoUs) ?? [];
      const {
        offset: offsetUs,
        rate: ratePpm,
        pullOffset,
      } = mixed(
        beliefs.map(({ state }) => state),
        beliefs.map(({ weight }) => weight),
      );
      // What all exchanges have in common does not average out, however many they are.
      const shared = (slant.sigma * (pullOffset + DOUBTS * leastDoubtUs)) ** 2;
      const errors = beliefs.map(({ state, weight }) => ({
        weight,
        mean: Math.sqrt(wander.factor) * (state.offset - offsetUs),
        sigma: Math.sqrt(wander.factor * state.offsetOffset + shared),
      }));
      return { offsetUs, ratePpm, ci95Us: halfWidthOf(errors, 0.95), within: (us) => within(errors, us) };
    },
  };
}
