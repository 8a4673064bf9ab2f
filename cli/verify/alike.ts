import { TouchlineError } from '#contracts/errors.ts';
import { findSame } from '#domain/alignment/beep.ts';
import type { Claim } from '#domain/alignment/claim.ts';
import { type Alike, isPair, type Witness } from '#domain/alignment/compare.ts';
import { readSound } from '#ports/film/sound-track.ts';

/** A film with a track of sound, and what its clock claims. */
export interface Track {
  readonly path: string;
  readonly witness: Witness;
}

/** So much of one track is looked for in the other, this much earlier and later than the clocks say. */
const PATTERN_US = 3e6;
const REACH_US = 1e6;
/** Parts of the common time at which it is looked for: somewhere there is something to hear. */
const PLACES = [0.2, 0.5, 0.8];

/** Compares the tracks of each pair in which the beep was not heard by both: what both microphones heard. */
export async function compareTracks(
  tracks: readonly Track[],
  signal: AbortSignal,
): Promise<(a: Claim, b: Claim) => Alike> {
  const found = new Map<string, Alike>();
  for (const [n, a] of tracks.entries())
    for (const b of tracks.slice(n + 1)) {
      if (!isPair(a.witness.claim, b.witness.claim) || (a.witness.beep.found && b.witness.beep.found))
        continue;
      found.set(keyOf(a.witness.claim, b.witness.claim), await alikeIn(a, b, signal));
    }
  return (a, b) => found.get(keyOf(a, b)) ?? { reason: 'one of them has no sound' };
}

const keyOf = (a: Claim, b: Claim): string => `${a.cameraId} ${a.part} ${b.cameraId} ${b.part}`;

async function alikeIn(a: Track, b: Track, signal: AbortSignal): Promise<Alike> {
  const [x, y] = [a.witness.claim, b.witness.claim];
  const from = Math.max(x.startUs, y.startUs);
  const common = Math.min(x.startUs + x.durationUs, y.startUs + y.durationUs) - from;
  const length = Math.min(PATTERN_US, common / 3);
  let reason = 'nothing was heard';
  for (const place of PLACES) {
    const atUs = from + place * (common - length);
    try {
      const pattern = await readSound(a.path, stretch(atUs - x.startUs, 0, length), signal);
      const around = await readSound(b.path, stretch(atUs - y.startUs, REACH_US, length), signal);
      const same = findSame(around.samples, pattern.samples, pattern.rateHz);
      if (same.found)
        return {
          atUs: pattern.fromUs,
          otherAtUs: around.fromUs + same.atUs,
          uncertaintyUs: same.uncertaintyUs,
        };
      reason = same.reason;
    } catch (error) {
      if (!(error instanceof TouchlineError && error.code === 'not_mp4')) throw error;
      reason = error.message;
    }
  }
  return { reason };
}

const stretch = (atUs: number, reachUs: number, lengthUs: number) => ({
  fromUs: Math.max(0, atUs - reachUs),
  toUs: Math.max(0, atUs + lengthUs + reachUs),
});
