/** Whether a running encoder keeps up, from what it was given and what came out. */

/** One look at a running recording. */
export interface StrainSample {
  /** Monotonic microseconds. */
  readonly atUs: number;
  /** Frames that the camera gave since the last look, as far as can be told. */
  readonly expected: number;
  /** Frames of them that came. */
  readonly seen: number;
  /** How far the newest frame is behind now, microseconds. */
  readonly backlogUs: number;
}

export type Strain =
  | { readonly verdict: 'holds' }
  /** Stays so until `reset`: it is acted on at the next file boundary, not at once. */
  | { readonly verdict: 'step-down'; readonly reason: string };

/** What is looked at together. */
const WINDOW_US = 20_000_000;
/** Lost frames count when they are more than this share of the window: single ones have other causes. */
const LOST_SHARE = 0.02;
/** And when they were lost in at least this many looks: one long hiccup is no lack of speed. */
const LOOKS_WITH_LOSS = 5;
/** An encoder that falls behind by this much more from the first to the last half of the window will lose frames soon. */
const BACKLOG_GROWTH_US = 1_000_000;
/** After a step down the machine has this long to settle. */
const SETTLE_US = 30_000_000;

export interface StrainDetector {
  push(sample: StrainSample): Strain;
  /** A lighter profile runs now, from `atUs` on. */
  reset(atUs: number): void;
}

export function strainDetector(): StrainDetector {
  let window: StrainSample[] = [];
  let told: Strain = { verdict: 'holds' };
  let quietUntilUs = Number.NEGATIVE_INFINITY;
  return {
    push(sample) {
      if (told.verdict === 'step-down' || sample.atUs < quietUntilUs) return told;
      window = [...window, sample].filter(({ atUs }) => atUs > sample.atUs - WINDOW_US);
      const reason = lossOf(window) ?? growthOf(window);
      if (reason !== undefined) told = { verdict: 'step-down', reason };
      return told;
    },
    reset(atUs) {
      window = [];
      told = { verdict: 'holds' };
      quietUntilUs = atUs + SETTLE_US;
    },
  };
}

/** Tells from the time stamps of frames how many are missing among them. */
export interface FrameCount {
  /** Exposures in their order, microseconds from any instant. */
  add(timesUs: readonly number[]): void;
  /** What came since the last question, of a camera that promised `fps`. */
  take(fps: number): Pick<StrainSample, 'expected' | 'seen'>;
}

/** Frames whose distances differ by no more than this come as the camera gives them, be it slower than promised: in dim light many are. */
const EVEN_FACTOR = 1.1;

export function frameCount(): FrameCount {
  let last: number | undefined;
  let apart: number[] = [];
  return {
    add(timesUs) {
      for (const time of timesUs) {
        if (last !== undefined) apart.push(time - last);
        last = time;
      }
    },
    take(fps) {
      const seen = apart.length;
      const even = seen > 1 && Math.max(...apart) <= Math.min(...apart) * EVEN_FACTOR;
      const missing = even ? 0 : sum(apart.map((us) => Math.max(0, Math.round((us * fps) / 1e6) - 1)));
      apart = [];
      return { seen, expected: seen + missing };
    },
  };
}

function lossOf(window: readonly StrainSample[]): string | undefined {
  const missing = ({ expected, seen }: StrainSample): number => expected - seen;
  // Frames that come late are seen in the next look: only the sum tells what was lost, and not of the newest look.
  const newest = Math.max(0, ...window.slice(-1).map(missing));
  const lost = sum(window.map(missing)) - newest;
  const expected = sum(window.map((sample) => sample.expected));
  const short = window.filter((sample) => missing(sample) > 0).length;
  if (lost <= expected * LOST_SHARE || short < LOOKS_WITH_LOSS) return undefined;
  return `${Math.round(lost)} of ${Math.round(expected)} frames were lost in ${WINDOW_US / 1e6} s`;
}

function growthOf(window: readonly StrainSample[]): string | undefined {
  if (window.length < LOOKS_WITH_LOSS * 2) return undefined;
  const half = Math.floor(window.length / 2);
  const mean = (samples: readonly StrainSample[]): number =>
    sum(samples.map(({ backlogUs }) => backlogUs)) / samples.length;
  const growthUs = mean(window.slice(half)) - mean(window.slice(0, half));
  if (growthUs < BACKLOG_GROWTH_US) return undefined;
  return `the encoder fell behind by ${(growthUs / 1e6).toFixed(1)} s in ${WINDOW_US / 2e6} s`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
