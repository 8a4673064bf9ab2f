import type { Told } from './said.ts';

/** How far one node's idea of rig time was off, in one second. Milliseconds. */
export interface SecondOff {
  readonly atSec: number;
  readonly camera: string;
  readonly offMs: number;
  readonly boundMs: number;
  readonly ci95Ms: number;
  readonly source: string;
}

export interface Reference {
  /** Master time at a tick: `sentUs` plus this, microseconds. */
  readonly offsetUs: number;
  /** How far the master itself seems to be off, only because even the quickest tick of a second took longer: 99 of 100 seconds. */
  readonly noiseMs: number;
}

type TickLog = ReadonlyMap<number, Told>;

/**
 * The true time, as the host knows it: all guests run on the host's oscillator, so master time is the host's monotonic time plus a constant. A tick
 * can only be late, so of each second the quickest counts, when more than one was as quick; the constant is the median of those of the master. What the quickest takes to
 * arrive is part of it, and falls out where nodes are compared.
 */
export function referenceOf(master: TickLog, sentUs: ReadonlyMap<number, number>): Reference {
  const apart = [...master].flatMap(([tick, { rig_us }]) => {
    const sent = sentUs.get(tick);
    return sent === undefined || rig_us === null ? [] : [{ sent, apart: rig_us - sent }];
  });
  const quickest = bySecond(apart, ({ sent }) => sent).flatMap(
    (each) => quickestOf(each.map((one) => one.apart)) ?? [],
  );
  const offsetUs = median(quickest);
  const noise = quickest.map((one) => Math.abs(one - offsetUs) / 1000);
  return { offsetUs, noiseMs: quantile(noise, 0.99) };
}

/** Of a busy second even the quickest tick may have been late: then the quickest are not alike. Microseconds. */
const ALIKE_US = 300;
const ALIKE_TICKS = 3;

/** The least of what the ticks of a second say; undefined when it cannot be told from a late one. */
function quickestOf(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [first, last] = [sorted[0], sorted[ALIKE_TICKS - 1]];
  return first !== undefined && last !== undefined && last - first <= ALIKE_US ? first : undefined;
}

/** Errors of one node against the true time, second by second; seconds in which that could not be told are left out. */
export function secondsOff(
  camera: string,
  told: TickLog,
  sentUs: ReadonlyMap<number, number>,
  reference: Reference,
): SecondOff[] {
  const rows = [...told].flatMap(([tick, each]) => {
    const sent = sentUs.get(tick);
    return sent === undefined || each.rig_us === null || each.bound_ms === null
      ? []
      : [{ sent, offUs: each.rig_us - sent - reference.offsetUs, ...each }];
  });
  return bySecond(rows, ({ sent }) => sent).flatMap((second) => {
    const [first] = second;
    const offUs = quickestOf(second.map((row) => row.offUs));
    if (first === undefined || offUs === undefined) return [];
    return {
      atSec: first.sent / 1e6,
      camera,
      offMs: offUs / 1000,
      boundMs: median(second.map(({ bound_ms }) => bound_ms ?? Number.NaN)),
      ci95Ms: median(second.map(({ ci95_ms }) => ci95_ms ?? Number.NaN)),
      source: first.source,
    };
  });
}

function bySecond<T>(rows: readonly T[], sentUs: (row: T) => number): T[][] {
  const seconds = new Map<number, T[]>();
  for (const row of rows) {
    const second = Math.floor(sentUs(row) / 1e6);
    seconds.set(second, [...(seconds.get(second) ?? []), row]);
  }
  return [...seconds.values()];
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value below which that share of the values lies. Throws when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error('there is nothing to take a quantile of');
  return value;
}
