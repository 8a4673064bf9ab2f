import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { runProgram, startProgram } from '#ports/program/program.ts';
import { readManifests } from '#runtime/manifests.ts';
import { type BurnedFrame, readBurnedClock } from '../../fixtures/read-burned-clock.ts';

/** One recorded file, as decoding shows it. */
export interface Judged {
  readonly path: string;
  /** Undefined when nobody describes the file. */
  readonly manifest: TouchlineManifest | undefined;
  /** Every frame with the clock in its picture; none when it does not play. */
  readonly frames: readonly BurnedFrame[];
  /** Why it does not play from the first frame to the last. */
  readonly unplayable: string | undefined;
  /** What its manifest says otherwise than the file shows. */
  readonly wrong: readonly string[];
}

export interface JudgedDisk {
  readonly files: readonly Judged[];
  readonly faults: readonly string[];
}

/** Beyond this many frame lengths between two exposures, frames between them are missing. */
const GAP_FACTOR = 1.5;
/** The clock is read when the frame is drawn: by then its exposure is known to the microsecond, and stamped in ticks of 1/90000 s. */
const STAMP_SEC = 0.001;

/**
 * Looks at everything a node left below its storage root: every file decoded, every manifest against its file. Pictures without a
 * clock are judged by their time stamps alone.
 */
export async function judgeDisk(
  root: string,
  fps: number,
  pictures: 'with a clock' | 'without' = 'with a clock',
): Promise<JudgedDisk> {
  const disk = localDisk(root);
  const faults: string[] = [];
  const { manifests, unreadable } = await readManifests(disk);
  for (const { error } of unreadable) faults.push(error.message);
  const described = new Map(
    manifests.map(({ manifest, manifestPath }) => [
      videoOf(manifestPath, manifest),
      { manifest, manifestPath },
    ]),
  );
  const files: Judged[] = [];
  for (const { path } of await disk.list(nodeLayout.recordings)) {
    if (path.endsWith('.journal.json')) faults.push(`a journal is left: ${path}`);
    if (!path.endsWith('.mp4')) continue;
    const found = described.get(path);
    described.delete(path);
    files.push(await judgeFile(root, path, found, fps, pictures === 'with a clock'));
  }
  for (const path of described.keys()) faults.push(`a manifest without its file: ${path}`);
  return { files, faults };
}

function videoOf(manifestPath: string, { recording, file }: TouchlineManifest): string {
  const folder = basename(dirname(dirname(manifestPath)));
  return nodeLayout.video(folder, recording.camera_id, file.name);
}

async function judgeFile(
  root: string,
  path: string,
  found: { manifest: TouchlineManifest; manifestPath: string } | undefined,
  fps: number,
  withClock: boolean,
): Promise<Judged> {
  const full = join(root, path);
  const { size } = await stat(full);
  // A file of which nothing was whole has no manifest and nothing to play.
  let unplayable = await decodingFaults(full);
  let frames: BurnedFrame[] = [];
  if (unplayable === undefined)
    frames = await (withClock ? readBurnedClock(full) : readStamps(full)).catch((error: unknown) => {
      unplayable = error instanceof Error ? error.message : String(error);
      return [];
    });
  if (!found) return { path, manifest: undefined, frames, unplayable, wrong: [] };
  const { manifest, manifestPath } = found;
  const wrong: string[] = [];
  const expect = (what: string, said: unknown, shown: unknown, same = said === shown): void => {
    if (!same)
      wrong.push(
        `${what}: the manifest says ${JSON.stringify(said)}, the file shows ${JSON.stringify(shown)}`,
      );
  };
  const { touchline } = manifest;
  expect('size', manifest.file.size_bytes, size);
  expect(
    'sha256',
    manifest.checksum.value,
    createHash('sha256')
      .update(await readFile(full))
      .digest('hex'),
  );
  expect('frames', touchline.frames, frames.length);
  const [first, last] = [frames[0], frames.at(-1)];
  if (first && last) {
    const shownSec = (last.ptsUs - first.ptsUs) / 1e6 + 1 / fps;
    const saidSec = manifest.video.duration_sec;
    expect('duration', saidSec, shownSec, Math.abs(saidSec - shownSec) < 0.5 / fps);
  }
  if (first && withClock) {
    const saidUs = fromWireTime(touchline.first_frame.local);
    expect('first frame', saidUs, first.epochUs, Math.abs(saidUs - first.epochUs) < STAMP_SEC * 1e6);
    const startUs = fromWireTime(touchline.start_at);
    if (touchline.part === 1) {
      const shown = frames.findIndex(({ epochUs }) => epochUs >= startUs - STAMP_SEC * 1e6);
      const { start_frame } = touchline;
      expect('start frame', start_frame, shown, Math.abs(start_frame - shown) <= 1);
    }
  }
  // Gaps inside the file: what is missing between the clocks in the pictures has to be noted, and nothing else.
  const inside = touchline.gaps.filter(({ reason }) => reason === 'frames lost');
  const noted = inside.reduce((sum, gap) => sum + gap.frames, 0);
  expect('frames lost inside', noted, missingBetween(frames, fps));
  expect('dropped frames', manifest.quality?.dropped_frames, noted);
  if (!existsSync(join(root, dirname(manifestPath), touchline.timeline)))
    wrong.push(`its timeline ${touchline.timeline} is not there`);
  return { path, manifest, frames, unplayable, wrong };
}

function missingBetween(frames: readonly BurnedFrame[], fps: number): number {
  let missing = 0;
  for (const [index, frame] of frames.entries()) {
    const before = frames[index - 1];
    if (!before) continue;
    const lengths = ((frame.epochUs - before.epochUs) * fps) / 1e6;
    if (lengths > GAP_FACTOR) missing += Math.round(lengths) - 1;
  }
  return missing;
}

/** Frames by their time stamps: between them it is the same whether a clock was read or not. */
async function readStamps(path: string): Promise<BurnedFrame[]> {
  const said = await runProgram('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', path],
  ]);
  return said
    .split('\n')
    .map((line) => Number.parseFloat(line))
    .filter((time) => !Number.isNaN(time))
    .map((time) => ({ ptsUs: Math.round(time * 1e6), epochUs: Math.round(time * 1e6) }));
}

/** What decoders complain about, from the first frame to the last. */
async function decodingFaults(path: string): Promise<string | undefined> {
  const probe = await startProgram('ffprobe', [
    ...[
      '-v',
      'error',
      '-count_frames',
      '-select_streams',
      'v:0',
      '-show_entries',
      'stream=nb_read_frames',
      path,
    ],
  ]);
  const { code, stderr } = await probe.ended;
  return code === 0 && stderr.length === 0
    ? undefined
    : `ffprobe ended with ${code}: ${stderr.slice(0, 3).join(' ')}`;
}
