import type { AddResult, ExchangeSample } from '#domain/sync/estimator.ts';
import type { Run } from './clock-world.ts';
import { percentile } from './figures.ts';

/** What a method says at one instant; a method that knows no bound leaves it out. */
export interface Claim {
  readonly masterUs: number;
  readonly ci95Us: number;
  readonly boundUs?: number;
}

/** A way to tell master time, as all of them are driven. */
export interface Method {
  add(sample: ExchangeSample): AddResult;
  at(monoUs: number): Claim | undefined;
  reset(): void;
}

/** One claim against the truth. */
export interface Mark {
  /** From the first sample. */
  readonly sec: number;
  readonly errorUs: number;
  readonly ci95Us: number;
  readonly boundUs: number;
  readonly outage: boolean;
}

/** How many exchanges in a row contradict before the driver believes the master and starts anew. */
const CONTRADICTIONS = 3;

/** Feeds a method sample by sample and asks it every so often, as far as it then knows, from its first claim on. */
export function marksOf(method: Method, run: Run, everySec = 0.5): Mark[] {
  const marks: Mark[] = [];
  const first = run.samples[0]?.t4MonoUs ?? 0;
  const last = run.samples.at(-1)?.t4MonoUs ?? 0;
  let next = 0;
  let contradictions = 0;
  for (let us = first + 10_000; us < last; us += everySec * 1e6) {
    for (let sample = run.samples[next]; sample && sample.t4MonoUs <= us; sample = run.samples[++next]) {
      contradictions = method.add(sample) === 'contradicts' ? contradictions + 1 : 0;
      if (contradictions < CONTRADICTIONS) continue;
      method.reset();
      method.add(sample);
      contradictions = 0;
    }
    const claim = method.at(us);
    if (claim === undefined) continue;
    marks.push({
      sec: (us - first) / 1e6,
      errorUs: claim.masterUs - run.truth(us),
      ci95Us: claim.ci95Us,
      boundUs: claim.boundUs ?? Number.NaN,
      outage: run.inOutage(us),
    });
  }
  return marks;
}

/** From here on the greatest error counts: the first exchanges may all have been slow. */
export const SETTLED_SEC = 10;

/** All in microseconds or percent. */
export interface Score {
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the settled. */
  readonly maxUs: number;
  /** Part of the truths within ci95, and its median. */
  readonly covered: number;
  readonly ciUs: number;
  /** Part of the truths within the bound, and its median; NaN for a method that knows none. */
  readonly boundHolds: number;
  readonly boundUs: number;
}

export function scoreOf(marks: readonly Mark[]): Score {
  const errors = marks.map(({ errorUs }) => Math.abs(errorUs));
  const settled = marks.filter(({ sec }) => sec >= SETTLED_SEC).map(({ errorUs }) => Math.abs(errorUs));
  const part = (held: (mark: Mark) => boolean): number => (100 * marks.filter(held).length) / marks.length;
  const median = (of: (mark: Mark) => number): number => percentile(marks.map(of), 50);
  const bounded = marks.every(({ boundUs }) => !Number.isNaN(boundUs));
  return {
    p50Us: percentile(errors, 50),
    p99Us: percentile(errors, 99),
    maxUs: settled.length > 0 ? percentile(settled, 100) : Number.NaN,
    covered: part(({ errorUs, ci95Us }) => Math.abs(errorUs) <= ci95Us),
    ciUs: median(({ ci95Us }) => ci95Us),
    boundHolds: bounded ? part(({ errorUs, boundUs }) => Math.abs(errorUs) <= boundUs) : Number.NaN,
    boundUs: bounded ? median(({ boundUs }) => boundUs) : Number.NaN,
  };
}
