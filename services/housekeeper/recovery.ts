import { createHash } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import { type ClockStep, Journal, type TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { type Fragment, fragmentReader, type Initialisation } from '#domain/fmp4/fragments.ts';
import { createStepDetector } from '#domain/recording/clock-steps.ts';
import { asFinal, type Ending, following } from '#domain/recording/ending.ts';
import { buildManifest, isGap, isLateStart, manifestUs } from '#domain/recording/manifest.ts';
import { createTally, type Tally } from '#domain/recording/tally.ts';
import { timelineRows } from '#domain/recording/timeline-rows.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import { lookAtBegun } from '#runtime/begun-video.ts';
import {
  type ManifestOnDisk,
  readManifest,
  readManifests,
  wholeUntilUs,
  writeManifest,
} from '#runtime/manifests.ts';

/** A file that a crash or power loss left without its manifest. */
export interface Unfinished {
  readonly journalPath: string;
  readonly journal: Journal;
  /** Session folder on the disk. */
  readonly folder: string;
}

/** All journals on the disk. One that cannot be read is an error with its path, and stays where it is. */
export async function findUnfinished(
  disk: Disk,
): Promise<{ unfinished: Unfinished[]; unreadable: TouchlineError[] }> {
  const unfinished: Unfinished[] = [];
  const unreadable: TouchlineError[] = [];
  for (const { path } of await disk.list(nodeLayout.recordings)) {
    if (!path.endsWith('.journal.json')) continue;
    const text = await readText(disk, path);
    // The recorder finished that file while we looked.
    if (text === undefined) continue;
    try {
      const folder = path.split('/')[1] ?? '';
      unfinished.push({ journalPath: path, journal: Journal.parse(JSON.parse(text)), folder });
    } catch (cause) {
      unreadable.push(
        new TouchlineError('disk_failed', `the journal ${path} cannot be read; its video is kept as it is`, {
          cause,
        }),
      );
    }
  }
  return { unfinished, unreadable };
}

/**
 * Finishes a file: cuts what is behind its last whole fragment, hashes what is there, writes the manifest, removes the
 * journal. Interrupted at any point it can simply be done again. Returns the manifests that are new or different now: none when the file
 * has no whole fragment, and one more when a part that follows was described before this one. `ending`: nothing of this recording is
 * still to come; a part that no other follows is its last. Throws `conflict` for a file that grows: somebody writes it, whatever its journal
 * says.
 */
export async function recover(
  disk: Disk,
  unfinished: Unfinished,
  ending: Ending | undefined,
): Promise<ManifestOnDisk[]> {
  const { journal, journalPath, folder } = unfinished;
  const { session_id, camera_id, part } = journal;
  const path = nodeLayout.video(folder, camera_id, journal.file);
  const sizeBytes = await sizeOf(disk, path);
  const scanned = await scan(disk, path, journal.fps);
  if ((await sizeOf(disk, path)) !== sizeBytes)
    throw new TouchlineError('conflict', `${path} is still being written: it is not finished now`);
  if (!scanned) {
    // While the session goes on, the recorder gives the number of such a part to its next one, and clears up itself.
    if (ending) await discard(disk, unfinished, path);
    return [];
  }
  const manifestPath = nodeLayout.manifest(folder, session_id, camera_id, part);
  const described = await describedAs(disk, manifestPath, journal, scanned.totalBytes);
  if (described) {
    await disk.remove(journalPath);
    return [{ manifest: described, manifestPath }];
  }
  if (scanned.wholeBytes < scanned.totalBytes) {
    const file = await disk.open(path, 'existing');
    await file.cut(scanned.wholeBytes);
    await file.sync();
    await file.close();
  }
  const manifest = await describe(disk, unfinished, path, scanned);
  const last = ending && !(await nextPart(disk, folder, manifest));
  const done = { manifest: last ? asFinal(manifest, ending) : manifest, manifestPath };
  await writeManifest(disk, done);
  const mended = await mendNext(disk, folder, manifest);
  await disk.remove(journalPath);
  return mended ? [done, mended] : [done];
}

async function sizeOf(disk: Disk, path: string): Promise<number | undefined> {
  const found = await disk.list(path.slice(0, path.lastIndexOf('/')));
  return found.find((entry) => entry.path === path)?.sizeBytes;
}

/** The manifest of the whole file, where only the removal of its journal was missing. */
async function describedAs(
  disk: Disk,
  manifestPath: string,
  journal: Journal,
  sizeBytes: number,
): Promise<TouchlineManifest | undefined> {
  const found = await readManifest(disk, manifestPath).catch((error: unknown) => {
    if (error instanceof TouchlineError && error.code === 'invalid_manifest') return undefined;
    throw error;
  });
  const same =
    found?.touchline.session_uid === journal.session_uid &&
    found.file.name === journal.file &&
    found.file.size_bytes === sizeBytes;
  return same ? found : undefined;
}

/** A file without one whole fragment is no part of a recording. Damage is kept: somebody may make something of it. */
async function discard(
  disk: Disk,
  { journal, journalPath, folder }: Unfinished,
  path: string,
): Promise<void> {
  const { session_id, camera_id, part } = journal;
  if ((await lookAtBegun(disk, path)) === 'nothing') await disk.remove(path);
  const timeline = `${nodeLayout.manifestFolder(folder, camera_id)}/${nodeLayout.timelineName(session_id, camera_id, part)}`;
  const described = await readText(disk, nodeLayout.manifest(folder, session_id, camera_id, part));
  if (described === undefined) await disk.remove(timeline);
  await disk.remove(journalPath);
}

async function describe(
  disk: Disk,
  { journal, folder }: Unfinished,
  path: string,
  { initialisation, tally, wholeBytes, totalBytes, firstFragments }: Scanned,
): Promise<TouchlineManifest> {
  const startAtUs = fromWireTime(journal.start_at);
  const { first_frame_local, first_frame_master, first_frame_mono_us, boot_id } = journal.base;
  const firstFrame = {
    localUs: fromWireTime(first_frame_local),
    masterUs: first_frame_master === null ? null : fromWireTime(first_frame_master),
    monoUs: first_frame_mono_us,
    bootId: boot_id,
  };
  const firstUs = manifestUs(firstFrame);
  const timeline = nodeLayout.timelineName(journal.session_id, journal.camera_id, journal.part);
  return buildManifest({
    identity: {
      sessionId: journal.session_id,
      sessionUid: journal.session_uid,
      cameraId: journal.camera_id,
      position: journal.position,
      part: journal.part,
    },
    journal,
    clock: journal.clock,
    firstFrame,
    startAtUs,
    startFrame:
      journal.part > 1
        ? undefined
        : startFrameOf(firstFragments, initialisation.timescale, firstUs, startAtUs),
    picture: { width: initialisation.width, height: initialisation.height },
    tally,
    leadingGap: await leadingGap(disk, folder, journal, firstUs),
    sizeBytes: wholeBytes,
    sha256: await hashOf(disk, path, wholeBytes),
    final: false,
    recovered: true,
    bytesLost: totalBytes - wholeBytes,
    timeline,
    counts: { encoderRestarts: 0, diskErrors: 0 },
    steps: stepsOf(
      await readText(disk, `${nodeLayout.manifestFolder(folder, journal.camera_id)}/${timeline}`),
    ),
    beepAt: null,
  });
}

/** The part of the same recording that is described and follows this one. */
async function nextPart(
  disk: Disk,
  folder: string,
  { recording, touchline }: TouchlineManifest,
): Promise<ManifestOnDisk | undefined> {
  const { manifests } = await readManifests(disk, nodeLayout.manifestFolder(folder, recording.camera_id));
  const [next] = manifests
    .filter(
      ({ manifest: { touchline: other } }) =>
        other.session_uid === touchline.session_uid && other.part > touchline.part,
    )
    .sort((a, b) => a.manifest.touchline.part - b.manifest.touchline.part);
  return next;
}

/** Puts right what the part after this one says about the time between them. */
async function mendNext(
  disk: Disk,
  folder: string,
  before: TouchlineManifest,
): Promise<ManifestOnDisk | undefined> {
  const next = await nextPart(disk, folder, before);
  if (!next) return undefined;
  const manifest = following(next.manifest, fromWireTime(before.timing.end_time));
  if (manifest === next.manifest) return undefined;
  const mended = { manifest, manifestPath: next.manifestPath };
  await writeManifest(disk, mended);
  return mended;
}

interface Scanned {
  readonly initialisation: Initialisation;
  readonly tally: Tally;
  readonly wholeBytes: number;
  readonly totalBytes: number;
  /** Enough of the beginning to find the start frame. */
  readonly firstFragments: readonly Fragment[];
}

/** So much is looked at for the start frame: the longest that may be kept before a start (`recording.pre_roll_sec`), and some more. */
const BEGINNING_SEC = 75;

async function scan(disk: Disk, path: string, fps: number): Promise<Scanned | undefined> {
  const reader = fragmentReader();
  const firstFragments: Fragment[] = [];
  let initialisation: Initialisation | undefined;
  let tally: Tally | undefined;
  let totalBytes = 0;
  let damaged = false;
  try {
    for await (const chunk of disk.read(path)) {
      totalBytes += chunk.length;
      if (damaged) continue;
      try {
        for (const part of reader.push(chunk)) {
          if (part.kind === 'initialisation') {
            initialisation = part;
            tally = createTally({ fps, timescale: part.timescale });
            continue;
          }
          tally?.add(part);
          // The pictures are not needed, only the times: keeping the bytes would keep the film in memory.
          if (part.endTime < BEGINNING_SEC * (initialisation?.timescale ?? 0))
            firstFragments.push({ ...part, bytes: new Uint8Array() });
        }
      } catch (error) {
        // What a power cut can leave at the end, zeros for example: everything before it is whole.
        if (!(error instanceof RangeError)) throw error;
        damaged = true;
      }
    }
  } catch (error) {
    if (error instanceof TouchlineError && error.code === 'not_found') return undefined;
    throw error;
  }
  if (!initialisation || !tally || tally.frames === 0) return undefined;
  return { initialisation, tally, wholeBytes: reader.wholeBytes, totalBytes, firstFragments };
}

function startFrameOf(
  fragments: readonly Fragment[],
  timescale: number,
  firstUs: number,
  startAtUs: number,
): { index: number; skewMs: number } | undefined {
  const exposures = fragments.flatMap((fragment) =>
    fragment.times.map((time) => firstUs + (time * 1e6) / timescale),
  );
  const index = exposures.findIndex((exposure) => exposure >= startAtUs);
  const exposure = exposures[index];
  return exposure === undefined ? undefined : { index, skewMs: (exposure - startAtUs) / 1000 };
}

/** What is missing before a further part, as far as the parts before it are described. */
async function leadingGap(
  disk: Disk,
  folder: string,
  journal: Journal,
  firstUs: number,
): Promise<{ fromUs: number; reason: string } | undefined> {
  const { session_id: sessionId, camera_id: cameraId, part, start_at, fps, gap_reason } = journal;
  const startAtUs = fromWireTime(start_at);
  const fromUs = await wholeUntilUs(disk, folder, { sessionId, cameraId, part, startAtUs });
  const missing = part === 1 ? isLateStart : isGap;
  if (!missing(fromUs, firstUs, fps)) return undefined;
  return { fromUs, reason: gap_reason ?? 'the first frame came late' };
}

/** Steps of the wall clock that the rows of a timeline show. */
function stepsOf(timeline = ''): ClockStep[] {
  const detector = createStepDetector();
  return timelineRows(timeline).rows.flatMap(({ mono_us, local }) => {
    const step = detector.look(mono_us, fromWireTime(local));
    return step ? [{ at: local, mono_us, step_ms: step.stepUs / 1000 }] : [];
  });
}

/** SHA-256 of the first `sizeBytes` of a file, hex. */
export async function hashOf(
  disk: Disk,
  path: string,
  sizeBytes = Number.POSITIVE_INFINITY,
): Promise<string> {
  const hash = createHash('sha256');
  let left = sizeBytes;
  for await (const chunk of disk.read(path)) {
    hash.update(chunk.length > left ? chunk.subarray(0, left) : chunk);
    left -= chunk.length;
    if (left <= 0) break;
  }
  return hash.digest('hex');
}
