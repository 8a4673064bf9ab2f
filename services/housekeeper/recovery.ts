import { createHash } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import { Journal } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { type Fragment, fragmentReader, type Initialisation } from '#domain/fmp4/fragments.ts';
import { buildManifest } from '#domain/recording/manifest.ts';
import { createTally, type Tally } from '#domain/recording/tally.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import { type ManifestOnDisk, writeManifest } from '#runtime/manifests.ts';

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
    const text = (await readText(disk, path)) ?? '';
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
 * journal. Interrupted at any point it can simply be done again. Undefined when the file has no whole fragment: there is nothing
 * to keep, and only the journal goes.
 */
export async function recover(
  disk: Disk,
  { journal, journalPath, folder }: Unfinished,
  final: boolean,
): Promise<ManifestOnDisk | undefined> {
  const identity = {
    sessionId: journal.session_id,
    sessionUid: journal.session_uid,
    cameraId: journal.camera_id,
    position: journal.position,
    part: journal.part,
  };
  const path = nodeLayout.video(folder, journal.camera_id, journal.file);
  const manifestPath = nodeLayout.manifest(folder, journal.session_id, journal.camera_id, journal.part);
  const scanned = await scan(disk, path, journal.fps);
  if (!scanned) {
    await disk.remove(journalPath);
    return undefined;
  }
  const { initialisation, tally, wholeBytes, totalBytes, firstFragments } = scanned;
  if (wholeBytes < totalBytes) {
    const file = await disk.open(path, 'existing');
    await file.cut(wholeBytes);
    await file.sync();
    await file.close();
  }
  const startAtUs = fromWireTime(journal.start_at);
  const firstLocalUs = fromWireTime(journal.base.first_frame_local);
  const manifest = buildManifest({
    identity,
    journal,
    clock: journal.clock,
    firstFrame: {
      localUs: firstLocalUs,
      monoUs: journal.base.first_frame_mono_us,
      bootId: journal.base.boot_id,
    },
    startAtUs,
    startFrame:
      journal.part > 1
        ? undefined
        : startFrameOf(firstFragments, initialisation.timescale, firstLocalUs, startAtUs, journal),
    picture: { width: initialisation.width, height: initialisation.height },
    tally,
    leadingGap: undefined,
    sizeBytes: wholeBytes,
    sha256: await hashOf(disk, path, wholeBytes),
    final,
    recovered: true,
    bytesLost: totalBytes - wholeBytes,
    timeline: nodeLayout.timelineName(journal.session_id, journal.camera_id, journal.part),
    counts: { encoderRestarts: 0, diskErrors: 0, clockSteps: 0 },
  });
  await writeManifest(disk, { manifest, manifestPath });
  await disk.remove(journalPath);
  return { manifest, manifestPath };
}

interface Scanned {
  readonly initialisation: Initialisation;
  readonly tally: Tally;
  readonly wholeBytes: number;
  readonly totalBytes: number;
  /** Enough of the beginning to find the start frame. */
  readonly firstFragments: readonly Fragment[];
}

/** Fragments looked at for the start frame: more than a key frame interval's worth. */
const FIRST_FRAGMENTS = 60;

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
          if (firstFragments.length < FIRST_FRAGMENTS)
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
  firstLocalUs: number,
  startAtUs: number,
  journal: Journal,
): { index: number; skewMs: number } | undefined {
  const startLocalUs = startAtUs + Math.round((journal.clock.offset_ms ?? 0) * 1000);
  const exposures = fragments.flatMap((fragment) =>
    fragment.times.map((time) => firstLocalUs + (time * 1e6) / timescale),
  );
  const index = exposures.findIndex((exposure) => exposure >= startLocalUs);
  const exposure = exposures[index];
  return exposure === undefined ? undefined : { index, skewMs: (exposure - startLocalUs) / 1000 };
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
