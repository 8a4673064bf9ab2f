import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import { nodeLayout, sessionFolder, videoFileName } from '#contracts/layout.ts';
import { Journal } from '#contracts/manifest.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import { lookAtBegun } from '#runtime/begun-video.ts';
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
  // Where its parts are, it goes on, even when the name has become free since.
  const own = sessionFolder(sessionId, uid, true);
  const ownParts = await partsIn(disk, own, cameraId, uid);
  if (ownParts.length > 0) return { folder: own, part: nextPart(ownParts) };
  const plain = await partsIn(disk, sessionFolder(sessionId, uid, false), cameraId, uid);
  const ours = plain.filter((entry) => entry.uid === uid);
  if (plain.length === 0 || ours.length > 0)
    return { folder: sessionFolder(sessionId, uid, false), part: nextPart(ours) };
  return { folder: own, part: 1 };
}

/** The name of a file that begins then. Two parts can begin within one second: the second one is named by the next that is free. */
export async function freeName(
  disk: Disk,
  folder: string,
  { sessionId, cameraId }: { sessionId: SessionId; cameraId: CameraId },
  startUs: number,
): Promise<string> {
  const videos = nodeLayout.video(folder, cameraId, '').slice(0, -1);
  const taken = (await disk.list(videos)).map(({ path }) => path.slice(videos.length + 1));
  const nameAt = (us: number): string => videoFileName(sessionId, cameraId, us);
  let us = startUs;
  while (taken.some((name) => name.startsWith(nameAt(us)))) us += 1e6;
  return nameAt(us);
}

interface PartOnDisk {
  readonly uid: string | undefined;
  readonly part: number;
}

function nextPart(parts: readonly PartOnDisk[]): number {
  return Math.max(0, ...parts.map((entry) => entry.part)) + 1;
}

/** What the manifests and journals in a session folder say; a file nobody describes counts as somebody else's. */
async function partsIn(
  disk: Disk,
  folder: string,
  cameraId: CameraId,
  uid: SessionUid,
): Promise<PartOnDisk[]> {
  const parts: PartOnDisk[] = [];
  let videos = await disk.list(nodeLayout.video(folder, cameraId, '').slice(0, -1));
  for (const { path } of videos) {
    if (!path.endsWith('.journal.json')) continue;
    const { data: journal } = Journal.safeParse(parseJson(await readText(disk, path)));
    const video = journal && nodeLayout.video(folder, cameraId, journal.file);
    const ours = journal?.session_uid === uid;
    if (ours && video !== undefined && (await lookAtBegun(disk, video)) === 'nothing') {
      // An attempt of which nothing came leaves its number to the next one: parts are counted without holes.
      await disk.remove(video);
      await disk.remove(path);
      videos = videos.filter((other) => other.path !== path && other.path !== video);
    } else parts.push({ uid: journal?.session_uid, part: journal?.part ?? 0 });
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
