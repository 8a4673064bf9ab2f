import { type AddResult, createSyncEstimator, type RigTimeEstimate } from '#domain/sync/estimator.ts';
import type { ExchangeSample } from '#domain/sync/exchange.ts';
import { roundTripUs } from '#domain/sync/exchange.ts';

/** So many exchanges in a row that contradict: it is not one bad time stamp. */
const CONTRADICTIONS_BELIEVED = 3;

/** What the exchange with one peer says about rig time. */
export interface PeerTime {
  /** An answer of the peer. `mayJump`: whether this node may follow it to another line of time now. */
  add(sample: ExchangeSample, line: string, mayJump: boolean): void;
  at(monoUs: number): RigTimeEstimate | undefined;
  /** Round trip of the last answer, microseconds. */
  readonly delayUs: number | undefined;
  readonly lastAnswerMonoUs: number | undefined;
  /** The peer tells a time that cannot be that of before, and this node may not follow it now. */
  readonly contradicts: boolean;
  /** The line of time that the estimate is of. */
  readonly line: string | undefined;
}

export function createPeerTime(): PeerTime {
  const estimator = createSyncEstimator();
  let line: string | undefined;
  let delayUs: number | undefined;
  let lastAnswerMonoUs: number | undefined;
  let contradictions = 0;

  return {
    add(sample, toldLine, mayJump) {
      lastAnswerMonoUs = sample.t4MonoUs;
      delayUs = roundTripUs(sample);
      // A jump that is told is followed at once; one too small to contradict would bend the estimate instead.
      if (line !== undefined && line !== toldLine && mayJump) estimator.reset();
      let result: AddResult = estimator.add(sample);
      contradictions = result === 'contradicts' ? contradictions + 1 : 0;
      if (result === 'contradicts' && mayJump && contradictions >= CONTRADICTIONS_BELIEVED) {
        estimator.reset();
        result = estimator.add(sample);
        contradictions = 0;
      }
      if (result === 'used') line = toldLine;
    },
    at: (monoUs) => estimator.at(monoUs),
    get delayUs() {
      return delayUs;
    },
    get lastAnswerMonoUs() {
      return lastAnswerMonoUs;
    },
    get contradicts() {
      return contradictions >= CONTRADICTIONS_BELIEVED;
    },
    get line() {
      return line;
    },
  };
}
