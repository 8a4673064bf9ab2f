import type { Foretold } from './wander-bank.ts';

/** Which part of (excess round trip)² the variance of an exchange is. */
export interface NoiseGauge {
  readonly share: number;
  /** What was foretold for an exchange, the variance that its network noise was thought to have, and its excess round trip. */
  add(foretold: Foretold, noiseVariance: number, excessUs: number): void;
}

/** Two independent queues of one kind: the error is spread evenly over the excess, and the variance of that is a twelfth. */
const EVEN_SHARE = 1 / 12;
/** All queues on one way: the error is half the excess. */
const ONE_WAY_SHARE = 1 / 4;
const FIRST_SHARE = 0.12;
/** About the last twenty exchanges. */
const NOISE_GAIN = 0.05;

/** Learns how evenly queues are spread over the two ways. */
export function createNoiseGauge(): NoiseGauge {
  let share = FIRST_SHARE;
  return {
    get share() {
      return Math.max(EVEN_SHARE, share);
    },
    add({ miss, variance }, noiseVariance, excessUs) {
      if (excessUs <= 0) return;
      // Only an exchange that is much noisier than the clock is uncertain tells of noise.
      const part = noiseVariance / (variance + noiseVariance);
      const shown = Math.max(0, miss ** 2 - variance) / excessUs ** 2;
      share += NOISE_GAIN * part * (Math.min(ONE_WAY_SHARE, shown) - share);
    },
  };
}

/** By what the variance of the foretold offset has to be multiplied so that it is missed as often as it should be. */
export interface WanderGauge {
  readonly factor: number;
  add(foretold: Foretold, noiseVariance: number): void;
}

const WANDER_GAIN = 0.3;
const LEAST_FACTOR = 1;
/** 95 % of a normal distribution are within 1.96 standard deviations. */
const SQUARE_OF_95 = 1.96 ** 2;
const MISSED = 0.05;

/**
 * Counts how often an exchange is further from what was foretold than 95 % should be, and widens or narrows until it is 5 %: adaptive
 * conformal inference (Gibbs and Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021).
 */
export function createWanderGauge(): WanderGauge {
  let factor = LEAST_FACTOR;
  return {
    get factor() {
      return factor;
    },
    add({ miss, variance }, noiseVariance) {
      // Only an exchange that is surer than the clock tells of the clock.
      const part = variance / (variance + noiseVariance);
      const missed = miss ** 2 > SQUARE_OF_95 * (factor * variance + noiseVariance);
      factor = Math.max(LEAST_FACTOR, factor * Math.exp(WANDER_GAIN * part * ((missed ? 1 : 0) - MISSED)));
    },
  };
}

/** How far queues lie on one way, from -0.5 (all on the way back) over 0 to 0.5 (all on the way there), give or take. */
export interface SlantGauge {
  /** Standard deviation of what all exchanges share: their error as a part of their excess. */
  readonly sigma: number;
  add(foretold: Foretold, noiseVariance: number, excessUs: number): void;
}

/** About the last two minutes. */
const SLANT_GAIN = 0.007;
const LEAST_SLANT = 0.02;
const MOST_SLANT = 0.5;
/** What is missed is less than the error: the estimate has followed a part of it. */
const SLANT_FACTOR = 1.4;

/** Learns whether exchanges err to one side. The estimate is not corrected by it, as it is less sure than that; `sigma` makes it less sure. */
export function createSlantGauge(): SlantGauge {
  let slant = 0;
  return {
    get sigma() {
      return Math.hypot(LEAST_SLANT, SLANT_FACTOR * slant);
    },
    add({ miss, variance }, noiseVariance, excessUs) {
      if (excessUs <= 0) return;
      const part = noiseVariance / (variance + noiseVariance);
      const shown = Math.max(-MOST_SLANT, Math.min(MOST_SLANT, miss / excessUs));
      slant += SLANT_GAIN * part * (shown - slant);
    },
  };
}
