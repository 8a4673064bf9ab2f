import { type Fourier, fourier } from './fft.ts';

/** Signals as rows of samples, and how one of them is looked for in another. */
export type Samples = Float32Array | Float64Array;

/** Where the wind, the crowd's rumble and the hiss of a codec are left out; a beep lies inside. */
export const BAND = { fromHz: 900, toHz: 3200 } as const;
const FILTER_TAPS = 1023;
/** Long signals are worked through in pieces of this many samples. */
const PIECE = 2 ** 17;

/** How far from the best place another one may look as well: the ripples of one and the same peak, seconds. */
const PEAK_SEC = 0.001;
/** Peaks of the band repeat within this time around each other at less than this part of the highest. */
const RIVAL_PART = 0.9;
/** An echo that is stronger than the way straight on comes later by at most this: 17 m more. */
const ECHO_SEC = 0.05;
const FIRST_PART = 0.5;
/** Noise for the comparison is taken from so much on each side of the peak. */
const NOISE_SEC = 1;
const MEDIAN_OF_NORMAL = 0.6745;

export interface Likeness {
  /** Sample of the signal at which what is looked for begins; between two samples, where it lies there. */
  readonly at: number;
  /** From 0 to 1: how much of the sound at that place is what is looked for. */
  readonly likeness: number;
  /** The peak over the noise around it. */
  readonly peakToNoise: number;
  /** Another place that looks nearly as well, samples after `at`; undefined when there is none. */
  readonly rival: number | undefined;
}

/** What is between `BAND.fromHz` and `BAND.toHz`, not moved in time: windowed sinc, Blackman. */
export function bandPassed(samples: Samples, rateHz: number): Float64Array {
  const middle = (FILTER_TAPS - 1) / 2;
  const lowPass = (hz: number, n: number): number =>
    n === 0 ? (2 * hz) / rateHz : Math.sin((2 * Math.PI * hz * n) / rateHz) / (Math.PI * n);
  const taps = Float64Array.from({ length: FILTER_TAPS }, (_, k) => {
    const phase = (2 * Math.PI * k) / (FILTER_TAPS - 1);
    const window = 0.42 - 0.5 * Math.cos(phase) + 0.08 * Math.cos(2 * phase);
    return window * (lowPass(BAND.toHz, k - middle) - lowPass(BAND.fromHz, k - middle));
  });
  const padded = new Float64Array(samples.length + FILTER_TAPS - 1);
  padded.set(samples, middle);
  // The taps are symmetric: correlation and convolution are one.
  return correlated(padded, taps);
}

/** Sum of products of `pattern` and `signal` from each sample on at which all of the pattern fits. */
export function correlated(signal: Samples, pattern: Samples): Float64Array {
  const places = signal.length - pattern.length + 1;
  if (places < 1 || pattern.length === 0) return new Float64Array(0);
  let size = PIECE;
  while (size < 2 * pattern.length) size *= 2;
  while (size > 2 && size / 2 >= signal.length) size /= 2;
  const transform = fourier(size);
  const [patternRe, patternIm] = [new Float64Array(size), new Float64Array(size)];
  patternRe.set(pattern);
  transform.forward(patternRe, patternIm);
  const result = new Float64Array(places);
  const step = size - pattern.length + 1;
  for (let from = 0; from < places; from += step) {
    const piece = pieceOf(transform, signal, from, patternRe, patternIm);
    result.set(piece.subarray(0, Math.min(step, places - from)), from);
  }
  return result;
}

function pieceOf(
  transform: Fourier,
  signal: Samples,
  from: number,
  patternRe: Float64Array,
  patternIm: Float64Array,
): Float64Array {
  const re = new Float64Array(transform.length);
  const im = new Float64Array(transform.length);
  re.set(signal.subarray(from, from + transform.length));
  transform.forward(re, im);
  for (let n = 0; n < re.length; n++) {
    const [a, b] = [re[n] as number, im[n] as number];
    const [c, d] = [patternRe[n] as number, patternIm[n] as number];
    re[n] = a * c + b * d;
    im[n] = b * c - a * d;
  }
  transform.inverse(re, im);
  return re;
}

/**
 * Looks for a pattern in a signal, both band-passed, whatever its loudness and polarity. Undefined when the pattern does not fit into the
 * signal, or there is nothing in either.
 */
export function likenessOf(
  signal: Float64Array,
  pattern: Float64Array,
  rateHz: number,
): Likeness | undefined {
  const likeness = normalised(signal, pattern);
  let best = indexOfLargest(likeness, 0, likeness.length);
  if (best === undefined || likeness[best] === 0) return undefined;
  // Of a sound and its echoes the first to come took the straight way.
  const earliest = Math.max(0, best - Math.round(ECHO_SEC * rateHz));
  const near = Math.round(PEAK_SEC * rateHz);
  const highest = Math.abs(likeness[best] as number);
  for (let n = earliest; n < best - near; n++)
    if (Math.abs(likeness[n] as number) > FIRST_PART * highest) {
      best = indexOfLargest(likeness, n, n + near) ?? best;
      break;
    }
  const value = Math.abs(likeness[best] as number);
  const noise = noiseAround(likeness, best, rateHz);
  const before = indexOfLargest(likeness, 0, Math.max(0, best - near));
  const echoes = Math.round(ECHO_SEC * rateHz);
  const after = indexOfLargest(likeness, Math.min(likeness.length, best + echoes), likeness.length);
  const rivals = [before, after].filter(
    (n): n is number => n !== undefined && Math.abs(likeness[n] as number) > RIVAL_PART * value,
  );
  return {
    at: best + summitOffset(likeness, best),
    likeness: Math.min(1, value),
    peakToNoise: noise > 0 ? value / noise : Number.POSITIVE_INFINITY,
    rival: rivals[0] === undefined ? undefined : rivals[0] - best,
  };
}

/** Root of the mean square frequency of a sound, Hz: how sharply its place can be told. */
export function effectiveHz(pattern: Float64Array, rateHz: number): number {
  let size = 2;
  while (size < pattern.length) size *= 2;
  const [re, im] = [new Float64Array(size), new Float64Array(size)];
  re.set(pattern);
  fourier(size).forward(re, im);
  let power = 0;
  let weighed = 0;
  for (let n = 0; n <= size / 2; n++) {
    const here = (re[n] as number) ** 2 + (im[n] as number) ** 2;
    power += here;
    weighed += here * ((n * rateHz) / size) ** 2;
  }
  return power > 0 ? Math.sqrt(weighed / power) : 0;
}

/** Correlation divided by the strength of both at each place: from -1 to 1. 0 where the signal is silent. */
function normalised(signal: Float64Array, pattern: Float64Array): Float64Array {
  const result = correlated(signal, pattern);
  const strength = energyOf(pattern);
  const sums = new Float64Array(signal.length + 1);
  for (let n = 0; n < signal.length; n++) sums[n + 1] = (sums[n] as number) + (signal[n] as number) ** 2;
  const total = sums[signal.length] as number;
  // Far below anything heard elsewhere in it there is only rounding.
  const silence = (total / Math.max(1, signal.length)) * pattern.length * 1e-6;
  for (let n = 0; n < result.length; n++) {
    const here = (sums[n + pattern.length] as number) - (sums[n] as number);
    result[n] = here > silence && strength > 0 ? (result[n] as number) / Math.sqrt(here * strength) : 0;
  }
  return result;
}

const energyOf = (samples: Float64Array): number => samples.reduce((sum, value) => sum + value * value, 0);

function indexOfLargest(values: Float64Array, from: number, to: number): number | undefined {
  let best: number | undefined;
  for (let n = from; n < Math.min(to, values.length); n++)
    if (best === undefined || Math.abs(values[n] as number) > Math.abs(values[best] as number)) best = n;
  return best;
}

/** What the values around a peak scatter by, judged by their median, which the peak and its echoes do not move. */
function noiseAround(values: Float64Array, peak: number, rateHz: number): number {
  const reach = Math.round(NOISE_SEC * rateHz);
  const near = Math.round(2 * PEAK_SEC * rateHz);
  const around = [
    ...values.subarray(Math.max(0, peak - reach), Math.max(0, peak - near)),
    ...values.subarray(peak + near, peak + reach),
  ].filter((value) => value !== 0);
  const sizes = Float64Array.from(around, Math.abs).sort();
  return (sizes[sizes.length >> 1] ?? 0) / MEDIAN_OF_NORMAL;
}

/** Where the parabola through a peak and its neighbours is highest, samples from the peak. */
function summitOffset(values: Float64Array, peak: number): number {
  const [left, here, right] = [values[peak - 1], values[peak], values[peak + 1]].map((v) =>
    Math.abs(v ?? 0),
  ) as [number, number, number];
  const bend = left - 2 * here + right;
  return bend < 0 && peak > 0 && peak < values.length - 1 ? (left - right) / (2 * bend) : 0;
}
