/**
 * What is believed about master time against the monotonic clock: a normal distribution of offset (µs), rate (ppm) and change of the rate (ppm/s), by
 * its mean and its covariance.
 */
export interface ClockState {
  readonly offset: number;
  readonly rate: number;
  readonly change: number;
  readonly offsetOffset: number;
  readonly offsetRate: number;
  readonly offsetChange: number;
  readonly rateRate: number;
  readonly rateChange: number;
  readonly changeChange: number;
  /**
   * By how much offset, rate and change would be wrong if every exchange so far had been wrong by its whole excess. The estimate is linear in what was seen,
   * so an error that all exchanges share, in proportion to their excess, is that part of it.
   */
  readonly pullOffset: number;
  readonly pullRate: number;
  readonly pullChange: number;
}

/** How restless a clock is. */
export interface Wander {
  /** Random walk of the offset, microseconds per root of a second: corrections that come and go. */
  readonly slewsUs: number;
  /** Random walk of the rate, ppm per root of a second. */
  readonly walkPpm: number;
  /** Usual size of the change of the rate, ppm/s: temperature. */
  readonly changePpmPerSec: number;
}

/** A measured offset, microseconds, with noise of `variance`; and how far it can be from the truth at all. */
export interface Observation {
  readonly seen: number;
  readonly variance: number;
  readonly reach: number;
  /** Round trip above the least one, microseconds. */
  readonly excess: number;
}

/** The state after an observation, and what it said before: by how much it was wrong, its own variance, how likely it thought this was. */
export interface Observed {
  readonly state: ClockState;
  readonly miss: number;
  readonly variance: number;
  readonly logLikelihood: number;
}

/** How long a change of the rate goes on: a case in the sun needs minutes to warm up. */
const CHANGE_LASTS_SEC = 200;
/** The noise that a step adds is right for steps that are short against that. */
const STEP_SEC = 30;
/** Beyond a hundred minutes steps get longer instead of more. */
const MOST_STEPS = 200;
/** No state is surer than the digits of a time stamp. */
const DIGIT_VARIANCE = 1;

/** A state of which the three variances are known and nothing else. */
export function startAt(
  offset: number,
  [offsetOffset, rateRate, changeChange]: readonly [number, number, number],
): ClockState {
  const means = { rate: 0, change: 0, pullOffset: 0, pullRate: 0, pullChange: 0 };
  return {
    offset,
    ...means,
    offsetOffset,
    rateRate,
    changeChange,
    offsetRate: 0,
    offsetChange: 0,
    rateChange: 0,
  };
}

/**
 * The state `sec` seconds later, or earlier when negative. The three-state model of clocks (Galleani, "A tutorial on the three-state model
 * of the atomic clock noise", Metrologia 45, 2008), except that the change of the rate fades, as an Ornstein-Uhlenbeck process: temperature
 * does not rise for ever.
 */
export function propagate(state: ClockState, wander: Wander, sec: number): ClockState {
  const steps = Math.min(MOST_STEPS, Math.max(1, Math.ceil(Math.abs(sec) / STEP_SEC)));
  let next = state;
  for (let step = 0; step < steps; step++) next = stepped(next, wander, sec / steps);
  return next;
}

function stepped(state: ClockState, { slewsUs, walkPpm, changePpmPerSec }: Wander, sec: number): ClockState {
  const span = Math.abs(sec);
  const way = Math.sign(sec);
  const keep = Math.exp(-span / CHANGE_LASTS_SEC);
  // Integrals of the fading change over the step: once for the rate, twice for the offset.
  const once = way * CHANGE_LASTS_SEC * (1 - keep);
  const twice = CHANGE_LASTS_SEC * (span - CHANGE_LASTS_SEC * (1 - keep));
  const { offset, rate, change, offsetOffset, offsetRate, offsetChange, rateRate, rateChange, changeChange } =
    state;
  const { pullOffset, pullRate, pullChange } = state;
  // Covariance after the step with the state before it (F P), then with the state after it (F P F').
  const offsetWithRate = offsetRate + sec * rateRate + twice * rateChange;
  const offsetWithChange = offsetChange + sec * rateChange + twice * changeChange;
  const rateWithChange = rateChange + once * changeChange;
  const walk = walkPpm ** 2;
  const jerk = (2 * changePpmPerSec ** 2) / CHANGE_LASTS_SEC;
  return {
    offset: offset + sec * rate + twice * change,
    rate: rate + once * change,
    change: keep * change,
    offsetOffset:
      offsetOffset +
      sec * (offsetRate + offsetWithRate) +
      twice * (offsetChange + offsetWithChange) +
      slewsUs ** 2 * span +
      (walk * span ** 3) / 3 +
      (jerk * span ** 5) / 20,
    offsetRate:
      offsetWithRate + once * offsetWithChange + way * ((walk * span ** 2) / 2 + (jerk * span ** 4) / 8),
    offsetChange: keep * offsetWithChange + (jerk * span ** 3) / 6,
    rateRate: rateRate + once * (rateChange + rateWithChange) + walk * span + (jerk * span ** 3) / 3,
    rateChange: keep * rateWithChange + (way * jerk * span ** 2) / 2,
    changeChange: keep ** 2 * changeChange + jerk * span,
    pullOffset: pullOffset + sec * pullRate + twice * pullChange,
    pullRate: pullRate + once * pullChange,
    pullChange: keep * pullChange,
  };
}

/** Takes an observation into the state (Kalman). */
export function observe(state: ClockState, { seen, variance, reach, excess }: Observation): Observed {
  const { offset, offsetOffset, offsetRate, offsetChange, pullOffset } = state;
  const miss = seen - offset;
  const offsetGain = offsetOffset / (offsetOffset + variance);
  const rateGain = offsetRate / (offsetOffset + variance);
  const changeGain = offsetChange / (offsetOffset + variance);
  return {
    state: {
      offset: offset + offsetGain * miss,
      rate: state.rate + rateGain * miss,
      change: state.change + changeGain * miss,
      offsetOffset: (1 - offsetGain) * offsetOffset,
      offsetRate: (1 - offsetGain) * offsetRate,
      offsetChange: (1 - offsetGain) * offsetChange,
      rateRate: state.rateRate - rateGain * offsetRate,
      rateChange: state.rateChange - rateGain * offsetChange,
      changeChange: state.changeChange - changeGain * offsetChange,
      pullOffset: pullOffset + offsetGain * (excess - pullOffset),
      pullRate: state.pullRate + rateGain * (excess - pullOffset),
      pullChange: state.pullChange + changeGain * (excess - pullOffset),
    },
    miss,
    variance: offsetOffset,
    logLikelihood: flatTop(miss, reach, Math.sqrt(offsetOffset + DIGIT_VARIANCE)),
  };
}

/**
 * Density, as logarithm, that is the same for all misses within `reach` and falls like a normal one outside. A spell in which all queues are on one
 * way makes misses that look alike; within reach they prove no movement of the clock, however many there are.
 */
function flatTop(miss: number, reach: number, sigma: number): number {
  const beyond = Math.max(0, Math.abs(miss) - reach) / sigma;
  return -0.5 * beyond ** 2 - Math.log(2 * reach + sigma * Math.sqrt(2 * Math.PI));
}

/** Several states as one of the same mean and covariance; the weights add up to 1. */
export function mixed(states: readonly ClockState[], weights: readonly number[]): ClockState {
  let [offset, rate, change] = [0, 0, 0];
  let [pullOffset, pullRate, pullChange] = [0, 0, 0];
  for (let n = 0; n < states.length; n++) {
    const state = states[n];
    const weight = weights[n] ?? 0;
    if (state === undefined) continue;
    offset += weight * state.offset;
    rate += weight * state.rate;
    change += weight * state.change;
    pullOffset += weight * state.pullOffset;
    pullRate += weight * state.pullRate;
    pullChange += weight * state.pullChange;
  }
  let [offsetOffset, offsetRate, offsetChange, rateRate, rateChange, changeChange] = [0, 0, 0, 0, 0, 0];
  for (let n = 0; n < states.length; n++) {
    const state = states[n];
    const weight = weights[n] ?? 0;
    if (state === undefined) continue;
    // How far their means are apart is uncertainty too.
    const [o, r, c] = [state.offset - offset, state.rate - rate, state.change - change];
    offsetOffset += weight * (state.offsetOffset + o * o);
    offsetRate += weight * (state.offsetRate + o * r);
    offsetChange += weight * (state.offsetChange + o * c);
    rateRate += weight * (state.rateRate + r * r);
    rateChange += weight * (state.rateChange + r * c);
    changeChange += weight * (state.changeChange + c * c);
  }
  const covariance = { offsetOffset, offsetRate, offsetChange, rateRate, rateChange, changeChange };
  return { offset, rate, change, ...covariance, pullOffset, pullRate, pullChange };
}
