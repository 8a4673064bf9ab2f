import { type ExchangeSample, roundTripUs } from '#domain/sync/exchange.ts';
import { chronyStatistics } from './chrony-statistics.ts';
import type { Method } from './clock-score.ts';

/** An exchange as the peers see it: instants and offsets from the first one on, seconds and microseconds. */
export interface Seen {
  readonly sec: number;
  readonly offsetUs: number;
  readonly delayUs: number;
}

/** Offset at an instant of that scale, and 95 %. */
export interface Told {
  readonly offsetUs: number;
  readonly ci95Us: number;
  readonly boundUs?: number;
}

/** A peer without the large numbers; they all believe every exchange. */
export interface OffsetMethod {
  add(seen: Seen): void;
  at(sec: number): Told | undefined;
}

/** What the estimator is compared with. */
export const PEERS = {
  regression: () => driven(() => plainRegression(64)),
  ntp: () => driven(clockFilterAndPll),
  chrony: () => driven(chronyStatistics),
} as const satisfies Record<string, () => Method>;

function driven(create: () => OffsetMethod): Method {
  let started: { method: OffsetMethod; monoUs: number; offsetUs: number } | undefined;
  return {
    add(sample) {
      started ??= {
        method: create(),
        monoUs: sample.t4MonoUs,
        offsetUs: sample.t3MasterUs - sample.t4MonoUs,
      };
      started.method.add(seenFrom(sample, started.monoUs, started.offsetUs));
      return 'used';
    },
    at(monoUs) {
      const told = started?.method.at((monoUs - started.monoUs) / 1e6);
      if (started === undefined || told === undefined) return undefined;
      return { ...told, masterUs: monoUs + started.offsetUs + told.offsetUs };
    },
    reset() {
      started = undefined;
    },
  };
}

function seenFrom(sample: ExchangeSample, monoUs: number, offsetUs: number): Seen {
  const { t1MonoUs, t2MasterUs, t3MasterUs, t4MonoUs } = sample;
  return {
    sec: ((t1MonoUs + t4MonoUs) / 2 - monoUs) / 1e6,
    offsetUs: (t2MasterUs - t1MonoUs - offsetUs + (t3MasterUs - t4MonoUs - offsetUs)) / 2,
    delayUs: roundTripUs(sample),
  };
}

/** A straight line through the last offsets, all of them worth the same; 95 % as its textbook formula says. */
function plainRegression(count: number): OffsetMethod {
  let points: readonly Seen[] = [];
  return {
    add(seen) {
      points = [...points.slice(1 - count), seen];
    },
    at(sec) {
      const n = points.length;
      if (n < 3) return undefined;
      const meanSec = points.reduce((sum, point) => sum + point.sec, 0) / n;
      const meanUs = points.reduce((sum, point) => sum + point.offsetUs, 0) / n;
      const spread = points.reduce((sum, point) => sum + (point.sec - meanSec) ** 2, 0);
      const slope =
        points.reduce((sum, point) => sum + (point.sec - meanSec) * (point.offsetUs - meanUs), 0) / spread;
      const residual = points.reduce(
        (sum, point) => sum + (point.offsetUs - meanUs - slope * (point.sec - meanSec)) ** 2,
        0,
      );
      const variance = (residual / (n - 2)) * (1 / n + (sec - meanSec) ** 2 / spread);
      return { offsetUs: meanUs + slope * (sec - meanSec), ci95Us: 1.96 * Math.sqrt(variance) };
    },
  };
}

/** RFC 5905: the clock filter keeps eight exchanges; the discipline is at its shortest interval, 2^3 s. */
const STAGES = 8;
const POLL_SEC = 8;
/** CLOCK_PLL and PHI. The first measurement of the frequency takes 900 s there (WATCH); a minute is in its favour, most of its error would be from these. */
const PLL = 16;
const PHI = 15e-6;
const WATCH_SEC = 60;
const PRECISION_US = 1;

/**
 * Clock filter and phase-locked loop of RFC 5905 (A.5.2 and A.5.5.6) on a clock of their own. Of eight exchanges the one with the least delay counts,
 * once. `ci95Us` is 1.96 times its jitter, `boundUs` its root distance.
 */
function clockFilterAndPll(): OffsetMethod {
  let stages: readonly Seen[] = [];
  let used: Seen | undefined;
  let jitterUs = 0;
  let frequency = 0;
  // The clock stands at `phase` at `atSec`; `residue` of the last offset is still to be worked in.
  let phase = 0;
  let residue = 0;
  let atSec = 0;
  let trained = false;
  let firstSec = 0;
  let firstUs = 0;

  const advance = (sec: number): { phase: number; residue: number } => {
    const left = residue * Math.exp(-(sec - atSec) / (PLL * POLL_SEC));
    return { phase: phase + frequency * (sec - atSec) + (residue - left), residue: left };
  };
  const distance = (seen: Seen, sec: number): number =>
    seen.delayUs / 2 + PRECISION_US + PHI * 1e6 * (sec - seen.sec);

  return {
    add(seen) {
      stages = [...stages.slice(1 - STAGES), seen];
      const byDelay = stages.toSorted((a, b) => distance(a, seen.sec) - distance(b, seen.sec));
      const [best] = byDelay;
      if (best === undefined) return;
      jitterUs = Math.max(
        PRECISION_US,
        Math.sqrt(
          byDelay.reduce((sum, { offsetUs }) => sum + (offsetUs - best.offsetUs) ** 2, 0) /
            Math.max(1, byDelay.length - 1),
        ),
      );
      if (used === undefined) {
        if (stages.length < STAGES) return;
        [phase, atSec, firstSec, firstUs, used] = [best.offsetUs, best.sec, best.sec, best.offsetUs, best];
        return;
      }
      if (best.sec <= used.sec || best.sec - used.sec < POLL_SEC / 2) return;
      const since = best.sec - used.sec;
      const now = advance(best.sec);
      [phase, atSec, used] = [now.phase, best.sec, best];
      if (!trained) {
        residue = best.offsetUs - phase;
        if (best.sec - firstSec < WATCH_SEC) return;
        frequency = (best.offsetUs - firstUs) / (best.sec - firstSec);
        trained = true;
        return;
      }
      const miss = best.offsetUs - phase;
      frequency += (miss * Math.min(since, POLL_SEC)) / (4 * PLL * POLL_SEC) ** 2;
      residue = miss;
    },
    at(sec) {
      if (used === undefined) return undefined;
      const now = advance(sec);
      return {
        offsetUs: now.phase,
        ci95Us: 1.96 * jitterUs,
        boundUs: distance(used, sec) + jitterUs + Math.abs(now.residue),
      };
    },
  };
}
