import { checkExchange, type ExchangeSample } from './exchange.ts';
import { createOffsetFilter, type OffsetFilter } from './offset-filter.ts';
import { createProvenInterval, type ProvenInterval } from './proven-interval.ts';

export type { ExchangeSample } from './exchange.ts';

/** What is known about rig time at one monotonic instant. */
export interface RigTimeEstimate {
  /** Microseconds since 1970, whole. */
  readonly masterUs: number;
  /** How much faster rig time runs than the monotonic clock, parts per million. */
  readonly ratePpm: number;
  /** Guaranteed: true rig time is within this of `masterUs`, as long as the two facts of `maxRatePpm` and `peerBoundUs` hold. */
  readonly boundUs: number;
  /** Statistical: 95 % of the true times are within this of `masterUs`. A delay that is always longer one way than the other is not seen. */
  readonly ci95Us: number;
  /** Probability that `masterUs` is within `promiseUs` of the truth. */
  readonly confidence: number;
  /** Since the last exchange that was used. 0 at earlier instants. */
  readonly ageUs: number;
}

export interface SyncOptions {
  /** By how much rig time and the monotonic clock may run apart at any time, parts per million. */
  readonly maxRatePpm?: number;
  /** The error that `confidence` is about, microseconds. */
  readonly promiseUs?: number;
}

/**
 * `used`; `late`: an exchange that ended later was used already, nothing changed; `contradicts`: outside what could be true, nothing changed: the master's
 * clock was stepped, or another master answers. Who calls decides when to `reset`.
 */
export type AddResult = 'used' | 'late' | 'contradicts';

export interface SyncEstimator {
  /** Throws `TouchlineError` `invalid_field` for an exchange that cannot have happened. */
  add(sample: ExchangeSample): AddResult;
  /** Rig time at a monotonic instant, normally now. Undefined until an exchange was used. */
  at(monoUs: number): RigTimeEstimate | undefined;
  /** Forgets everything. */
  reset(): void;
}

/** On each node, parts per million: what its crystal may be off, what `maxdrift 50` lets chronyd correct in the wrong direction, and `maxslewrate 50`. */
const CRYSTAL_PPM = 50;
export const DRIFT_PPM = 50;
export const SLEW_PPM = 50;
/**
 * By how much two nodes can run apart. It is the fact that `boundUs` grows by, so it counts everything at its worst, at once and against each other. chronyd may
 * slew by 83333 ppm when it is not told otherwise (chrony.conf(5)), which would allow no bound at all: its configuration has to set both.
 */
export const MAX_RATE_PPM = 2 * (CRYSTAL_PPM + DRIFT_PPM + SLEW_PPM);
/** N22: what is promised over a match. */
const PROMISE_US = 5000;

/** Rig time from exchanges with the master: a guaranteed interval and a statistical estimate inside it. */
export function createSyncEstimator(options: SyncOptions = {}): SyncEstimator {
  const { maxRatePpm = MAX_RATE_PPM, promiseUs = PROMISE_US } = options;
  let state:
    | { originUs: number; proven: ProvenInterval; filter: OffsetFilter; lastMonoUs: number }
    | undefined;

  return {
    add(sample) {
      checkExchange(sample, maxRatePpm);
      if (state === undefined) {
        // Offsets are of the size of the time since 1970; from here on they are small numbers, so that no digits are lost.
        const originUs = Math.round(sample.t3MasterUs - sample.t4MonoUs);
        state = {
          originUs,
          proven: createProvenInterval(originUs, maxRatePpm),
          filter: createOffsetFilter(originUs),
          lastMonoUs: Number.NEGATIVE_INFINITY,
        };
      }
      if (sample.t4MonoUs <= state.lastMonoUs) return 'late';
      if (!state.proven.add(sample)) return 'contradicts';
      state.filter.add(sample);
      state.lastMonoUs = sample.t4MonoUs;
      return 'used';
    },
    at(monoUs) {
      const proven = state?.proven.at(monoUs);
      if (state === undefined || proven === undefined) return undefined;
      const { offsetUs, ratePpm, ci95Us, within } = state.filter.at(monoUs);
      const insideUs = Math.min(proven.high, Math.max(proven.low, offsetUs));
      const masterUs = Math.round(monoUs + state.originUs + insideUs);
      // From the rounded value, so that rounding cannot put the truth outside.
      const roundedUs = masterUs - monoUs - state.originUs;
      const boundUs = Math.max(proven.high - roundedUs, roundedUs - proven.low);
      return {
        masterUs,
        ratePpm,
        boundUs,
        ci95Us: Math.min(boundUs, ci95Us),
        confidence: boundUs <= promiseUs ? 1 : within(promiseUs),
        ageUs: Math.max(0, monoUs - state.lastMonoUs),
      };
    },
    reset() {
      state = undefined;
    },
  };
}
