import type { RecordingList } from '#contracts/http-node.ts';

/** Recordings of one session, from all cameras. */
export interface RecordedSession {
  readonly uid: string;
  readonly name: string;
  readonly startedAt: string;
  /** Of the camera that recorded longest, all its parts together. */
  readonly durationSec: number;
  readonly sizeBytes: number;
  /** Of what is on the central server too. */
  readonly homeBytes: number;
  /** Whether all of it is on the central server. */
  readonly offloaded: boolean;
  /** What its cameras did not record between the agreed start and their last frame; those that lack nothing are left out. */
  readonly lacks: readonly { readonly camera: string; readonly seconds: number }[];
  readonly files: readonly {
    readonly camera: string;
    readonly part: number;
    readonly playlist: string | null;
  }[];
}

type Item = RecordingList['recordings'][number];

/** Newest first; files from left to right, then by part. Recordings that say no session stand alone. */
export function sessionsOf(items: readonly Item[]): RecordedSession[] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const uid = item.manifest.touchline?.session_uid ?? item.manifest.recording.id;
    groups.set(uid, [...(groups.get(uid) ?? []), item]);
  }
  return [...groups]
    .map(([uid, group]) => {
      const perCamera = new Map<string, number>();
      for (const { manifest } of group) {
        const { camera_id } = manifest.recording;
        perCamera.set(camera_id, (perCamera.get(camera_id) ?? 0) + manifest.video.duration_sec);
      }
      return {
        uid,
        name: group[0]?.manifest.recording.session_id ?? uid,
        startedAt: group.map(({ manifest }) => manifest.timing.start_time).sort()[0] ?? '',
        durationSec: Math.max(...perCamera.values()),
        sizeBytes: group.reduce((sum, { manifest }) => sum + manifest.file.size_bytes, 0),
        homeBytes: group
          .filter(({ manifest }) => manifest.touchline?.offloaded)
          .reduce((sum, { manifest }) => sum + manifest.file.size_bytes, 0),
        lacks: lacksOf(group),
        offloaded: group.every(({ manifest }) => manifest.touchline?.offloaded === true),
        files: group
          .map(({ manifest, playlist }) => ({
            camera: manifest.recording.camera_id as string,
            position: manifest.recording.position,
            part: manifest.touchline?.part ?? 1,
            playlist,
          }))
          .sort((a, b) => ORDER.indexOf(a.position) - ORDER.indexOf(b.position) || a.part - b.part)
          .map(({ camera, part, playlist }) => ({ camera, part, playlist })),
      };
    })
    .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
}

/** Less is a frame or two, and stands in the manifest. */
const LACK_MIN_SEC = 0.1;

function lacksOf(group: readonly Item[]): RecordedSession['lacks'] {
  const manifests = group.map(({ manifest }) => manifest);
  return [...new Set(manifests.map(({ recording }) => recording.camera_id))]
    .map((camera) => ({
      camera: camera as string,
      seconds: lackSec(manifests.filter(({ recording }) => recording.camera_id === camera)),
    }))
    .filter(({ seconds }) => seconds >= LACK_MIN_SEC)
    .sort((a, b) => (a.camera < b.camera ? -1 : 1));
}

/** Gaps within the parts and before the first, and what is between the parts. */
function lackSec(manifests: readonly Item['manifest'][]): number {
  const parts = manifests.toSorted((a, b) => a.timing.start_time.localeCompare(b.timing.start_time));
  let reachedMs: number | undefined;
  let lackMs = 0;
  for (const { timing, touchline } of parts) {
    const startMs = Date.parse(timing.start_time);
    for (const gap of touchline?.gaps ?? []) {
      const before = Date.parse(gap.to) <= startMs;
      // Between parts the distance counts, whether or not a gap was written for it.
      if (!before || reachedMs === undefined) lackMs += Date.parse(gap.to) - Date.parse(gap.from);
    }
    if (reachedMs !== undefined) lackMs += Math.max(0, startMs - reachedMs);
    reachedMs = Math.max(reachedMs ?? 0, Date.parse(timing.end_time));
  }
  return lackMs / 1000;
}

const ORDER = ['left', 'center', 'right'];
