import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import { nodeLayout, sessionFolder } from '#contracts/layout.ts';
import { Journal } from '#contracts/manifest.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import { readManifests } from '#runtime/manifests.ts';

/** Where the next file of a session goes: its folder, and the number of the part. */
export interface Place {
  readonly folder: string;
  readonly part: number;
}

/**
 * Finds the place of a session on the disk. A folder of that name that belongs to another session is left alone: the new one
 * gets `{SESSION}~{last 6 of the uid}`. A session that is already there (after a restart) goes on with its next part.
 */
export async function findPlace(
  disk: Disk,
  sessionId: SessionId,
  uid: SessionUid,
  cameraId: CameraId,
): Promise<Place> {
  const plain = await partsIn(disk, sessionFolder(sessionId, uid, false), cameraId);
  const ours = plain.filter((entry) => entry.uid === uid);
  if (plain.length === 0 || ours.length > 0)
    return { folder: sessionFolder(sessionId, uid, false), part: nextPart(ours) };
  const folder = sessionFolder(sessionId, uid, true);
  return { folder, part: nextPart(await partsIn(disk, folder, cameraId)) };
}

interface PartOnDisk {
  readonly uid: string | undefined;
  readonly part: number;
}

function nextPart(parts: readonly PartOnDisk[]): number {
  return Math.max(0, ...parts.map((entry) => entry.part)) + 1;
}

/** What the manifests and journals in a session folder say; a file nobody describes counts as somebody else's. */
async function partsIn(disk: Disk, folder: string, cameraId: CameraId): Promise<PartOnDisk[]> {
  const parts: PartOnDisk[] = [];
  const videos = await disk.list(nodeLayout.video(folder, cameraId, '').slice(0, -1));
  for (const { path } of videos) {
    if (!path.endsWith('.journal.json')) continue;
    const journal = Journal.safeParse(parseJson(await readText(disk, path)));
    parts.push({ uid: journal.data?.session_uid, part: journal.data?.part ?? 0 });
  }
  const { manifests, unreadable } = await readManifests(disk, nodeLayout.manifestFolder(folder, cameraId));
  for (const { manifest } of manifests)
    parts.push({ uid: manifest.touchline.session_uid, part: manifest.touchline.part });
  for (const _ of unreadable) parts.push({ uid: undefined, part: 0 });
  if (parts.length === 0 && videos.length > 0) parts.push({ uid: undefined, part: 0 });
  return parts;
}

/** Undefined for what is not JSON: the schemas then refuse it. */
function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
