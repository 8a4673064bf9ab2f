import { TouchlineError } from '#contracts/errors.ts';
import { findBeep, type Sighting } from '#domain/alignment/beep.ts';
import { claimOf } from '#domain/alignment/claim.ts';
import { type Correction, correctionsOf, type Listener } from '#domain/alignment/corrections.ts';
import { timelineRows } from '#domain/recording/timeline-rows.ts';
import { readSound } from '#ports/film/sound-track.ts';
import type { Source } from './plan.ts';

/** A panorama is made of cameras on one mast: its microphones are at most this far apart. */
const MAST_M = 2;
/** The beep is looked for so much before and after the moment at which it should be heard. */
const REACH_US = 10e6;

/**
 * Corrections of the starts of recordings: by what their clocks were known to be later on, and by the start beep in their sound where
 * more than one camera heard it.
 */
export async function heardCorrections(
  sources: readonly Source[],
  /** The lines of its timeline; empty where there is none. */
  timelineOf: (source: Source) => Promise<string>,
  ffmpegPath: string,
  signal: AbortSignal,
): Promise<Correction[]> {
  const listeners: Listener[] = [];
  for (const source of sources) {
    const { contents, file, unreadable } = source;
    if (!contents?.touchline || unreadable !== undefined) continue;
    const { audio, beep_at } = contents.touchline;
    const claim = claimOf(contents, timelineRows(await timelineOf(source)).rows);
    const beepUs = claim.beepUs ?? 0;
    const covers = beepUs > -REACH_US && beepUs < claim.durationUs + REACH_US;
    const beep: Sighting =
      audio && beep_at && covers
        ? await beepIn(file, beepUs, ffmpegPath, signal)
        : { found: false, reason: 'no beep was recorded' };
    listeners.push({ claim, beep });
  }
  return correctionsOf(listeners, { apartM: MAST_M });
}

async function beepIn(
  file: string,
  beepUs: number,
  ffmpegPath: string,
  signal: AbortSignal,
): Promise<Sighting> {
  try {
    const stretch = { fromUs: beepUs - REACH_US, toUs: beepUs + REACH_US };
    const { samples, rateHz, fromUs } = await readSound(file, stretch, signal, ffmpegPath);
    const found = findBeep(samples, rateHz);
    return found.found ? { ...found, atUs: fromUs + found.atUs } : found;
  } catch (error) {
    // Without its sound it is placed by its clock.
    if (!(error instanceof TouchlineError && error.code === 'not_mp4')) throw error;
    return { found: false, reason: error.message };
  }
}
