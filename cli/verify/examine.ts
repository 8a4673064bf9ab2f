import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { TouchlineError } from '#contracts/errors.ts';
import { findBeep, type Sighting } from '#domain/alignment/beep.ts';
import { type Claim, claimOf } from '#domain/alignment/claim.ts';
import type { Witness } from '#domain/alignment/compare.ts';
import { fittedLine } from '#domain/alignment/line.ts';
import { type ClockedFrame, readClocks } from '#ports/film/burned-clock.ts';
import { type FilmFacts, filmFacts } from '#ports/film/film-facts.ts';
import { readSound } from '#ports/film/sound-track.ts';
import type { FoundFile, Problem } from './find-session.ts';

/** What one file shows. */
export interface Examined {
  /** Undefined when it cannot be read: the problems say why. */
  readonly witness: Witness | undefined;
  readonly hasSound: boolean;
  readonly problems: readonly Problem[];
}

/** Places in a film at which its clock is read, and frames at each. */
const PLACES = 9;
const FRAMES = 4;
/** A shorter film is read as a whole: that is quicker than looking for places in it. */
const SHORT_US = 5e6;
/** The beep is looked for so much before and after the moment at which it should be heard. */
const BEEP_REACH_US = 10e6;

/** Hashes a file, reads the clock in its pictures and looks for the beep in its sound. */
export async function examine(file: FoundFile, signal: AbortSignal): Promise<Examined> {
  const { manifest, videoPath, rows } = file;
  const claim = claimOf(manifest, rows);
  const broken = (what: string): Examined => ({
    ...{ witness: undefined, hasSound: false },
    problems: [{ where: videoPath, what }],
  });
  const entry = await stat(videoPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!entry) return broken('the video is not there');
  const problems: Problem[] = [];
  if (entry.size !== manifest.file.size_bytes)
    problems.push({
      where: videoPath,
      what: `it has ${entry.size} bytes, its manifest says ${manifest.file.size_bytes}`,
    });
  else if ((await sha256Of(videoPath, signal)) !== manifest.checksum.value)
    problems.push({ where: videoPath, what: 'its SHA-256 is not that of its manifest: it was changed' });
  try {
    const facts = await filmFacts(videoPath, signal);
    const [pixels, beep] = [
      await readPixels(videoPath, facts, signal),
      await listen(videoPath, facts, claim, signal),
    ];
    return { witness: { claim, pixels, beep }, hasSound: facts.sound !== null, problems };
  } catch (error) {
    if (!(error instanceof TouchlineError && error.code === 'not_mp4')) throw error;
    return { ...broken(error.message), problems: [...problems, { where: videoPath, what: error.message }] };
  }
}

async function sha256Of(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
    signal.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest('hex');
}

async function readPixels(path: string, facts: FilmFacts, signal: AbortSignal): Promise<Witness['pixels']> {
  const places = facts.durationUs < SHORT_US ? 1 : PLACES;
  const frames: ClockedFrame[] = [];
  for (let n = 0; n < places; n++) {
    const fromUs = (facts.durationUs * n) / places;
    const here = await readClocks(path, { fromUs, ...(places > 1 ? { frames: FRAMES } : {}) }, signal);
    frames.push(...here);
    // A film that shows no clock at first is not decoded further.
    if (n === 0 && here.every(({ epochUs }) => epochUs === undefined)) break;
  }
  const points = frames.flatMap(({ ptsUs, epochUs }) =>
    epochUs === undefined ? [] : [{ x: ptsUs, y: epochUs }],
  );
  return fittedLine(points, facts.tickUs) ?? { reason: 'no clock in its pictures' };
}

async function listen(
  path: string,
  { sound, durationUs }: FilmFacts,
  { beepUs }: Claim,
  signal: AbortSignal,
): Promise<Sighting> {
  const none = (reason: string): Sighting => ({ found: false, reason });
  if (!sound) return none('no sound');
  const wantedUs = beepUs ?? 0;
  if (wantedUs < -BEEP_REACH_US || wantedUs > durationUs)
    return none('the beep was at another time than this file');
  const stretch = { fromUs: wantedUs - BEEP_REACH_US, toUs: wantedUs + BEEP_REACH_US };
  const heard = await readSound(path, stretch, signal);
  const found = findBeep(heard.samples, heard.rateHz);
  return found.found ? { ...found, atUs: heard.fromUs + found.atUs } : found;
}
