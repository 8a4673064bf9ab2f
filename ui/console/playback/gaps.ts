import type { Track } from './timeline.ts';

/** What a recording lacks, as its manifest or its place on the clock tells. Pure. */

export interface ListedGap {
  readonly fromSec: number;
  readonly toSec: number;
  readonly frames: number;
  readonly reason: string;
  /** False: before its first frame, and so in none of the file's own counts. */
  readonly within: boolean;
}

/** Gaps of the recording `key`, in order: those within the file, and what was lost before it since the part before. */
export function gapsOfRecording({ clips, holes }: Track, key: string): ListedGap[] {
  const index = clips.findIndex((clip) => clip.key === key);
  const clip = clips[index];
  if (!clip) return [];
  const toleranceSec = 0.5 / clip.fps;
  const told = holes
    .filter((hole) => hole.kind === 'gap' && hole.key === key)
    .map(
      ({ fromSec, toSec, frames = 0, reason = '' }): ListedGap => ({
        fromSec,
        toSec,
        frames,
        reason,
        within: toSec > clip.startSec + toleranceSec,
      }),
    );
  const before = clips[index - 1];
  // Recovery may have described the part before too late for this one to know where it ended.
  if (!before || clip.startSec - before.endSec < 3 * toleranceSec || told.some(({ within }) => !within))
    return told;
  const lost = { fromSec: before.endSec, toSec: clip.startSec };
  const frames = Math.round((lost.toSec - lost.fromSec) * clip.fps);
  return [{ ...lost, frames, reason: 'nothing recorded', within: false }, ...told];
}
