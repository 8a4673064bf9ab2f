import type { OffsetMethod, Seen } from './clock-peers.ts';

/** MAX_SAMPLES, REGRESS_RUNS_RATIO, MIN_SAMPLES_FOR_REGRESS, SD_TO_DIST_RATIO; the last three are about asymmetry. */
const MAX_SAMPLES = 64;
const RUNS_RATIO = 2;
const MIN_SAMPLES = 3;
const SD_TO_DISTANCE = 0.7;
const MIN_ASYMMETRY = 0.45;
const MAX_ASYMMETRY = 0.5;
const MIN_ASYMMETRY_RUN = 10;
const PRECISION_US = 1;
/** Its default `maxclockerror`, ppm. */
const MAX_CLOCK_ERROR_PPM = 1;
/** Student's t as chrony rounds it for many degrees of freedom (99.95 %). */
const T_OF_SKEW = 3.5;

interface Line {
  readonly start: number;
  readonly atSec: number;
  readonly offsetUs: number;
  readonly offsetSd: number;
  readonly slope: number;
  readonly slopeSd: number;
}

/**
 * What chronyd computes from one source, after sourcestats.c and regress.c of chrony: a line through up to 64 offsets, weighted by their distance above the
 * least, shortened until the signs of its residuals change often enough (runs test), corrected for one-sided queues when these are
 * certain. Written anew from reading them. It is not chronyd: no selection, no filter of delays, no loop that slews a clock, no change
 * of the interval. What chronyd itself does is measured in the lab.
 */
export function chronyStatistics(): OffsetMethod {
  /** Oldest first; those before `from` only lengthen the runs test. */
  let points: readonly Seen[] = [];
  let from = 0;
  let asymmetryRun = 0;
  let line: Line | undefined;

  const corrected = (): readonly Seen[] => {
    const least = Math.min(...points.map(({ delayUs }) => delayUs));
    const asymmetry = slopeOnDelay(points, least);
    if (asymmetry === undefined || asymmetry * asymmetryRun < 0) asymmetryRun = 0;
    else if (Math.abs(asymmetry) >= MIN_ASYMMETRY) asymmetryRun += Math.sign(asymmetry);
    if (asymmetry === undefined || Math.abs(asymmetryRun) < MIN_ASYMMETRY_RUN) return points;
    const share = Math.max(-MAX_ASYMMETRY, Math.min(MAX_ASYMMETRY, asymmetry));
    return points.map((point) => ({
      ...point,
      offsetUs: point.offsetUs - share * (point.delayUs - least),
    }));
  };

  const prune = (start: number): void => {
    const kept = points.length - start;
    const first = Math.max(0, start - kept * (RUNS_RATIO - 1));
    points = points.slice(first);
    from = start - first;
  };

  return {
    add(seen) {
      points = [...points, seen];
      if (points.length - from > MAX_SAMPLES) prune(from + 1);
      line = bestLine(corrected(), from);
      if (line) prune(line.start);
    },
    at(sec) {
      if (line === undefined) return undefined;
      const age = sec - line.atSec;
      const skew = T_OF_SKEW * line.slopeSd;
      const distances = points
        .slice(from)
        .map((point) => point.delayUs / 2 + PRECISION_US + (skew + MAX_CLOCK_ERROR_PPM) * (sec - point.sec));
      return {
        offsetUs: line.offsetUs + line.slope * age,
        ci95Us: 1.96 * Math.sqrt(line.offsetSd ** 2 + (line.slopeSd * age) ** 2),
        boundUs: Math.min(...distances) + line.offsetSd,
      };
    },
  };
}

/** How the offset depends on the delay, time apart: second slope of a regression on both. Undefined when it cannot be told. */
function slopeOnDelay(points: readonly Seen[], least: number): number | undefined {
  const n = points.length;
  if (n < 4) return undefined;
  const mean = (of: (point: Seen) => number): number => points.reduce((sum, point) => sum + of(point), 0) / n;
  const [sec, delay, offset] = [mean((p) => p.sec), mean((p) => p.delayUs - least), mean((p) => p.offsetUs)];
  let [ss, sd, dd, so, dO] = [0, 0, 0, 0, 0];
  for (const point of points) {
    const [s, d, o] = [point.sec - sec, point.delayUs - least - delay, point.offsetUs - offset];
    ss += s * s;
    sd += s * d;
    dd += d * d;
    so += s * o;
    dO += d * o;
  }
  const determinant = ss * dd - sd * sd;
  return determinant > 1e-10 * ss * dd ? (dO * ss - so * sd) / determinant : undefined;
}

function bestLine(points: readonly Seen[], from: number): Line | undefined {
  const last = points.at(-1);
  if (last === undefined || points.length - from < MIN_SAMPLES) return undefined;
  const weights = weightsOf(points, from);
  for (let start = from; ; start++) {
    const line = lineThrough(points, weights, start, last.sec);
    const count = points.length - start;
    const runsFrom = Math.max(0, points.length - count * RUNS_RATIO);
    if (count <= MIN_SAMPLES || runs(points, runsFrom, line) > criticalRuns(points.length - runsFrom))
      return line;
  }
}

/** Variances up to a factor: larger is worth less. */
function weightsOf(points: readonly Seen[], from: number): readonly number[] {
  const distances = points.map(({ delayUs }) => delayUs / 2 + PRECISION_US);
  const sorted = distances.slice(from).sort((a, b) => a - b);
  const least = sorted[0] ?? 0;
  const median = sorted[Math.floor(sorted.length / 2)] ?? least;
  const sd = Math.min(least, Math.max(PRECISION_US, (median - least) / SD_TO_DISTANCE));
  return distances.map((distance) => (1 + Math.max(0, distance - least - PRECISION_US) / sd) ** 2);
}

function lineThrough(
  points: readonly Seen[],
  weights: readonly number[],
  start: number,
  atSec: number,
): Line {
  let [w, u] = [0, 0];
  for (let n = start; n < points.length; n++) {
    w += 1 / (weights[n] ?? 1);
    u += ((points[n]?.sec ?? 0) - atSec) / (weights[n] ?? 1);
  }
  const mean = u / w;
  let [p, q, v] = [0, 0, 0];
  for (let n = start; n < points.length; n++) {
    const x = (points[n]?.sec ?? 0) - atSec - mean;
    const y = points[n]?.offsetUs ?? 0;
    p += y / (weights[n] ?? 1);
    q += (x * y) / (weights[n] ?? 1);
    v += (x * x) / (weights[n] ?? 1);
  }
  const slope = q / v;
  const offsetUs = p / w - slope * mean;
  let squares = 0;
  for (let n = start; n < points.length; n++) {
    const x = (points[n]?.sec ?? 0) - atSec;
    squares += ((points[n]?.offsetUs ?? 0) - offsetUs - slope * x) ** 2 / (weights[n] ?? 1);
  }
  squares /= points.length - start - 2;
  const slopeSd = Math.sqrt(squares / v);
  return { start, atSec, offsetUs, slope, slopeSd, offsetSd: Math.sqrt(squares / w + (mean * slopeSd) ** 2) };
}

/** Of residuals with the same sign, one after the other. */
function runs(points: readonly Seen[], from: number, line: Line): number {
  let count = 1;
  let before = 0;
  for (let n = from; n < points.length; n++) {
    const point = points[n];
    if (point === undefined) continue;
    const sign = Math.sign(point.offsetUs - line.offsetUs - line.slope * (point.sec - line.atSec));
    if (n > from && (sign !== before || sign === 0)) count++;
    before = sign;
  }
  return count;
}

/** Fewer runs happen in 5 % of all cases: normal approximation of the table in regress.c, which begins at eight. */
function criticalRuns(count: number): number {
  return count < 8 ? 0 : Math.floor(count / 2 + 1 - (1.645 * Math.sqrt(count)) / 2);
}
