import { type ClockState, mixed, type Observation, observe, propagate, type Wander } from './clock-model.ts';

interface Behaviour extends Wander {
  /** How long a clock behaves like this, and how much of all time. */
  readonly lastsSec: number;
  readonly share: number;
}

/**
 * From a crystal in the shade over clouds and hard sun to a clock that chronyd slews, and one that was set. The steps between them are wide: what is in
 * between is a mixture. The shares add up to 1.
 */
const BEHAVIOURS: readonly Behaviour[] = [
  { slewsUs: 0, walkPpm: 0.002, changePpmPerSec: 0.0002, lastsSec: 600, share: 0.21 },
  { slewsUs: 0, walkPpm: 0.005, changePpmPerSec: 0.004, lastsSec: 600, share: 0.21 },
  { slewsUs: 0, walkPpm: 0.01, changePpmPerSec: 0.03, lastsSec: 600, share: 0.2 },
  { slewsUs: 0, walkPpm: 0.1, changePpmPerSec: 0.03, lastsSec: 300, share: 0.1 },
  { slewsUs: 8, walkPpm: 0.05, changePpmPerSec: 0.01, lastsSec: 600, share: 0.2 },
  { slewsUs: 20, walkPpm: 0.3, changePpmPerSec: 0.01, lastsSec: 600, share: 0.06 },
  { slewsUs: 100, walkPpm: 5, changePpmPerSec: 0.01, lastsSec: 10, share: 0.02 },
];
/** So that no behaviour is ever out of the question. */
const LEAST_WEIGHT = 1e-6;

/** One part of what is believed, and its weight. */
export interface Belief {
  readonly state: ClockState;
  readonly weight: number;
}

/** What was believed of the offset before an observation: by how much that was wrong, and its variance. */
export interface Foretold {
  readonly miss: number;
  readonly variance: number;
}

export interface WanderBank {
  observe(monoUs: number, observation: Observation): Foretold;
  at(monoUs: number): readonly Belief[];
}

/**
 * Interacting multiple models (Blom and Bar-Shalom, IEEE Transactions on Automatic Control 33, 1988): a Kalman filter for every degree of
 * restlessness. How well each foretold the last exchanges is its weight, so that nobody has to know beforehand how restless a clock is today.
 */
export function createWanderBank(monoUs: number, start: ClockState): WanderBank {
  let atUs = monoUs;
  let states: readonly ClockState[] = BEHAVIOURS.map(() => start);
  let weights: readonly number[] = BEHAVIOURS.map(({ share }) => share);

  /** Weight that goes from each behaviour (row) to each within a time. */
  const flows = (sec: number): readonly (readonly number[])[] =>
    BEHAVIOURS.map(({ lastsSec }, from) => {
      const stays = Math.exp(-Math.abs(sec) / lastsSec);
      return BEHAVIOURS.map(
        ({ share }, to) => (weights[from] ?? 0) * ((1 - stays) * share + (from === to ? stays : 0)),
      );
    });
  const into = (flow: readonly (readonly number[])[], to: number): number =>
    flow.reduce((sum, row) => sum + (row[to] ?? 0), 0);

  return {
    observe(monoUs, observation) {
      const sec = (monoUs - atUs) / 1e6;
      const flow = flows(sec);
      const prior = BEHAVIOURS.map((_, to) => into(flow, to));
      const results = BEHAVIOURS.map((behaviour, to) => {
        const blend = flow.map((row) => (row[to] ?? 0) / (prior[to] ?? 1));
        return observe(propagate(mixed(states, blend), behaviour, sec), observation);
      });
      const best = Math.max(...results.map(({ logLikelihood }) => logLikelihood));
      const fits = results.map(
        ({ logLikelihood }, n) => (prior[n] ?? 0) * Math.exp(logLikelihood - best) + LEAST_WEIGHT,
      );
      states = results.map(({ state }) => state);
      weights = fits.map((fit) => fit / sumOf(fits));
      atUs = monoUs;
      const miss = sumOf(results.map((result, n) => (prior[n] ?? 0) * result.miss));
      return {
        miss,
        variance: sumOf(
          results.map((each, n) => (prior[n] ?? 0) * (each.variance + (each.miss - miss) ** 2)),
        ),
      };
    },
    at(monoUs) {
      const sec = (monoUs - atUs) / 1e6;
      const flow = flows(sec);
      return states.map((state, n) => ({
        state: propagate(state, BEHAVIOURS[n] as Behaviour, sec),
        weight: into(flow, n),
      }));
    },
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
