import type { Clip } from './timeline.ts';

/** How a video is kept on the common clock. Pure. */

/** Nearer than this part of a frame is as near as it gets. */
const CLOSE_FRAMES = 0.25;
/** Within this, a slightly other speed brings it back unseen; beyond, it jumps. */
const FAR_FRAMES = 6;
/** Of the offset, taken back each second. */
const GAIN_PER_SEC = 1.5;
/** A change of speed that nobody sees. */
const RATE_CHANGE_MAX = 0.1;

export type Correction = { readonly kind: 'rate'; readonly rate: number } | { readonly kind: 'jump' };

/** `offsetSec`: picture minus clock, so positive when the video is ahead. */
export function correction(offsetSec: number, fps: number, speed: number): Correction {
  const frames = Math.abs(offsetSec) * fps;
  if (frames > FAR_FRAMES * Math.max(1, speed)) return { kind: 'jump' };
  if (frames < CLOSE_FRAMES) return { kind: 'rate', rate: speed };
  // In slow motion the error is no slower than at full speed.
  const scale = Math.max(1, speed);
  const change = Math.min(RATE_CHANGE_MAX, Math.max(-RATE_CHANGE_MAX, -offsetSec * GAIN_PER_SEC)) * scale;
  return { kind: 'rate', rate: speed + change };
}

/**
 * Where in the file the frame lies whose exposure is nearest to this moment: half a frame behind its beginning, so that no rounding of
 * a browser shows its neighbour.
 */
export function mediaTarget({ startSec, endSec, fps }: Clip, atSec: number): number {
  const half = 0.5 / fps;
  const last = endSec - startSec - half;
  return Math.max(half, Math.min(last, atSec - startSec + half));
}

/** The moment of the frame that is so many frames away from the one shown at `atSec`. */
export function stepped({ startSec, fps }: Clip, atSec: number, frames: number): number {
  return startSec + (Math.round((atSec - startSec) * fps) + frames) / fps;
}

/** Follows `sample` with a time constant: a shown frame stands still while the clock runs on, what counts is the middle. */
export function smoothed(
  before: number | null,
  sample: number,
  passedMs: number,
  constantMs: number,
): number {
  if (before === null) return sample;
  return before + (sample - before) * (1 - Math.exp(-passedMs / constantMs));
}
