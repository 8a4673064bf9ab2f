import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { SessionUid } from '#contracts/ids.ts';
import { nodeLayout } from '#contracts/layout.ts';
import { TouchlineManifest } from '#contracts/manifest.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';

export interface ManifestOnDisk {
  readonly manifest: TouchlineManifest;
  readonly manifestPath: string;
}

/** All manifests of this node. One that cannot be read is an error that names it; its recording is kept and not sent. */
export async function readManifests(
  disk: Disk,
): Promise<{ manifests: ManifestOnDisk[]; unreadable: TouchlineError[] }> {
  const manifests: ManifestOnDisk[] = [];
  const unreadable: TouchlineError[] = [];
  for (const { path } of await disk.list(nodeLayout.manifests)) {
    if (!path.endsWith('.json')) continue;
    const text = (await readText(disk, path)) ?? '';
    try {
      manifests.push({
        manifest: parseOrThrow(TouchlineManifest, JSON.parse(text), 'invalid_manifest', path),
        manifestPath: path,
      });
    } catch (cause) {
      unreadable.push(
        cause instanceof TouchlineError
          ? cause
          : new TouchlineError(
              'invalid_manifest',
              `${path} is not JSON; its recording is kept and not sent`,
              { cause },
            ),
      );
    }
  }
  return { manifests, unreadable };
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
