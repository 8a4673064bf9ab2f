import type { RecordingList } from '#contracts/http-node.ts';

/** Recordings of one session, from all cameras. */
export interface RecordedSession {
  readonly uid: string;
  readonly name: string;
  readonly startedAt: string;
  /** Of the camera that recorded longest, all its parts together. */
  readonly durationSec: number;
  readonly sizeBytes: number;
  /** Whether all of it is on the central server. */
  readonly offloaded: boolean;
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

const ORDER = ['left', 'center', 'right'];
