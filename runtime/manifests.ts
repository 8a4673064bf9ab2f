import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import { nodeLayout } from '#contracts/layout.ts';
import { TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';

/** Manifests as they stand on a node's disk. */
export interface ManifestOnDisk {
  readonly manifest: TouchlineManifest;
  readonly manifestPath: string;
}

/** One manifest; undefined when it is not there. Throws `invalid_manifest` with the path. */
export async function readManifest(disk: Disk, manifestPath: string): Promise<TouchlineManifest | undefined> {
  const text = await readText(disk, manifestPath);
  if (text === undefined) return undefined;
  return parseOrThrow(TouchlineManifest, parseJson(text, manifestPath), 'invalid_manifest', manifestPath);
}

/** Writes one, whole or not at all. */
export function writeManifest(disk: Disk, { manifest, manifestPath }: ManifestOnDisk): Promise<void> {
  return disk.replace(manifestPath, `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * All manifests in a folder, in order of path. One that cannot be read is an error that names it; its recording is kept.
 */
export async function readManifests(
  disk: Disk,
  folder: string = nodeLayout.manifests,
): Promise<{ manifests: ManifestOnDisk[]; unreadable: { manifestPath: string; error: TouchlineError }[] }> {
  const manifests: ManifestOnDisk[] = [];
  const unreadable: { manifestPath: string; error: TouchlineError }[] = [];
  for (const { path: manifestPath } of await disk.list(folder)) {
    if (!manifestPath.endsWith('.json')) continue;
    try {
      const manifest = await readManifest(disk, manifestPath);
      if (manifest) manifests.push({ manifest, manifestPath });
    } catch (error) {
      if (!(error instanceof TouchlineError) || error.code !== 'invalid_manifest') throw error;
      unreadable.push({ manifestPath, error });
    }
  }
  return { manifests, unreadable };
}

/**
 * Where the recording was whole until, before a further part of it: the end of the last file there is a manifest of, otherwise the
 * agreed start. Microseconds, in the time of the manifests.
 */
export async function wholeUntilUs(
  disk: Disk,
  folder: string,
  of: { sessionId: SessionId; cameraId: CameraId; part: number; startAtUs: number },
): Promise<number> {
  for (let part = of.part - 1; part >= 1; part--) {
    const before = await readManifest(disk, nodeLayout.manifest(folder, of.sessionId, of.cameraId, part));
    if (before) return fromWireTime(before.timing.end_time);
  }
  return of.startAtUs;
}

/** The last part of each recording of a session. */
export async function lastPartsOf(disk: Disk, sessionUid: SessionUid): Promise<ManifestOnDisk[]> {
  const last = new Map<string, ManifestOnDisk>();
  for (const found of (await readManifests(disk)).manifests) {
    const { touchline, recording } = found.manifest;
    if (touchline.session_uid !== sessionUid) continue;
    const before = last.get(recording.camera_id);
    if (!before || before.manifest.touchline.part < touchline.part) last.set(recording.camera_id, found);
  }
  return [...last.values()];
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TouchlineError('invalid_manifest', `${path} is not JSON; its recording is kept`, { cause });
  }
}
