import type { Fragment } from '../fmp4/fragments.ts';

/** A stretch without frames, in microseconds from the start of the file. */
export interface TallyGap {
  readonly fromUs: number;
  readonly toUs: number;
  readonly frames: number;
}

/** Counts what is in a file from its fragments: the recorder while it writes, recovery when it reads. */
export interface Tally {
  /** Adds the next fragment of the file (times from the start of the file). Returns gaps that it revealed. */
  add(fragment: Fragment): TallyGap[];
  readonly frames: number;
  readonly droppedFrames: number;
  /** End of the last frame, microseconds from the start of the file. */
  readonly durationUs: number;
  /** The first hundred gaps. `droppedFrames` counts all of them. */
  readonly gaps: readonly TallyGap[];
}

/** Beyond this many frame lengths between two frames, the frames between them were lost. */
const GAP_FACTOR = 1.5;
const GAPS_KEPT = 100;

export function createTally(options: { fps: number; timescale: number }): Tally {
  const { fps, timescale } = options;
  const frameTicks = timescale / fps;
  const us = (ticks: number): number => Math.round((ticks * 1e6) / timescale);
  let frames = 0;
  let dropped = 0;
  let last: number | undefined;
  let end = 0;
  const gaps: TallyGap[] = [];
  return {
    add(fragment) {
      const found: TallyGap[] = [];
      for (const time of fragment.times) {
        if (last !== undefined && time - last > GAP_FACTOR * frameTicks) {
          const missing = Math.round((time - last) / frameTicks) - 1;
          dropped += missing;
          found.push({ fromUs: us(last + frameTicks), toUs: us(time), frames: missing });
        }
        last = time;
        frames++;
      }
      // A gap after the last frame of a fragment shows in its duration: the end is where one frame would have ended.
      if (last !== undefined)
        end = fragment.endTime - last > GAP_FACTOR * frameTicks ? last + frameTicks : fragment.endTime;
      gaps.push(...found.slice(0, GAPS_KEPT - gaps.length));
      return found;
    },
    get frames() {
      return frames;
    },
    get droppedFrames() {
      return dropped;
    },
    get durationUs() {
      return us(end);
    },
    gaps,
  };
}
