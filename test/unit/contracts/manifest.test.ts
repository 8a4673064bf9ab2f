import t from 'tap';
import type { z } from 'zod';
import { Journal, Manifest, TouchlineManifest } from '#contracts/manifest.ts';
import { RigSession, supersedes } from '#contracts/session.ts';
import { RecorderState } from '#contracts/states.ts';

/** As another program writes it; the example of the format's description. */
const foreign = (): Record<string, unknown> => ({
  version: '1.0',
  recording: {
    id: 'GAME_20240315_140000_CAM_C',
    session_id: 'GAME_20240315_140000',
    camera_id: 'CAM_C',
    position: 'center',
  },
  file: { name: 'GAME_20240315_140000_CAM_C.mp4', size_bytes: 12_345_678, container: 'mp4', codec: 'h265' },
  video: { resolution: { width: 3840, height: 2160 }, fps: 30, bitrate_mbps: 30, duration_sec: 5400.5 },
  timing: {
    start_time: '2024-03-15T14:00:00.123456Z',
    end_time: '2024-03-15T15:30:00.654321Z',
    ntp_synced: true,
    sync_offset_ms: 2.3,
  },
  checksum: { algorithm: 'sha256', value: 'ab'.repeat(32) },
  device: { hostname: 'soccer-rig-cam-c', ip_address: '192.168.1.102', software_version: '1.0.0' },
  quality: { dropped_frames: 0, temperature_avg_c: 55.2, temperature_max_c: 62.1 },
});

/** A copy without the value at a path, or with another one. */
function changed(value: Record<string, unknown>, path: string, to?: unknown): unknown {
  const copy = structuredClone(value);
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at = copy;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (to === undefined) delete at[last];
  else at[last] = to;
  return copy;
}

const pathsOf = (schema: z.ZodType, value: unknown): string[] =>
  schema.safeParse(value).error?.issues.map((issue) => issue.path.join('.')) ?? [];

t.test('a manifest 1.0 of another writer is accepted as it is', async (t) => {
  t.same(Manifest.parse(foreign()), foreign());
  for (const optional of [
    'device',
    'quality',
    'timing.sync_offset_ms',
    'device.hostname',
    'device.ip_address',
    'device.software_version',
    'quality.dropped_frames',
    'quality.temperature_avg_c',
    'quality.temperature_max_c',
  ])
    t.same(pathsOf(Manifest, changed(foreign(), optional)), [], `${optional} may be left out`);
  t.same(pathsOf(TouchlineManifest, foreign()), ['touchline'], 'but it is not one of ours');
});

t.test('what version 1.0 requires is required, by name', async (t) => {
  for (const path of [
    'version',
    'recording',
    'recording.id',
    'recording.session_id',
    'recording.camera_id',
    'recording.position',
    'file',
    'file.name',
    'file.size_bytes',
    'file.container',
    'file.codec',
    'video',
    'video.resolution',
    'video.resolution.width',
    'video.resolution.height',
    'video.fps',
    'video.bitrate_mbps',
    'video.duration_sec',
    'timing',
    'timing.start_time',
    'timing.end_time',
    'timing.ntp_synced',
    'checksum',
    'checksum.algorithm',
    'checksum.value',
  ])
    t.same(pathsOf(Manifest, changed(foreign(), path)), [path], `${path} missing`);
  for (const [path, value] of [
    ['version', '2.0'],
    ['recording.session_id', '../../etc'],
    ['recording.camera_id', 'left'],
    ['recording.position', 'middle'],
    ['file.name', '../a.mp4'],
    ['file.name', '/a.mp4'],
    ['file.size_bytes', 1.5],
    ['file.size_bytes', -1],
    ['file.size_bytes', '12'],
    ['file.container', 'mkv'],
    ['file.codec', 'vp9'],
    ['video.fps', 29.97],
    ['video.fps', 0],
    ['video.bitrate_mbps', 30.5],
    ['video.duration_sec', -1],
    ['timing.start_time', '2024-03-15 14:00:00'],
    ['timing.end_time', 1_710_511_200],
    ['timing.ntp_synced', 'yes'],
    ['checksum.algorithm', 'md5'],
    ['checksum.value', 'AB'.repeat(32)],
    ['quality.dropped_frames', 0.5],
  ] as const)
    t.same(pathsOf(Manifest, changed(foreign(), path, value)), [path], `${path} = ${value}`);
});

t.test('a journal names a file beside it, and no way to another place', async (t) => {
  for (const file of ['../a.mp4', '/a.mp4', 'a/b.mp4', 'a.json', '.mp4'])
    t.ok(pathsOf(Journal, { file }).includes('file'), file);
  t.notOk(pathsOf(Journal, { file: 'GAME_20240315_140000_CAM_C.mp4' }).includes('file'));
});

t.test('what a later version adds is dropped on the wire, at every depth', async (t) => {
  for (const path of ['new', 'file.new', 'video.resolution.new', 'timing.new'])
    t.same(Manifest.parse(changed(foreign(), path, { any: 'thing' })), foreign(), path);
  const offline = { v: 1, online: false, run_id: 'r', at: '2024-03-15T14:00:00Z' };
  t.same(pathsOf(RecorderState, offline).includes('camera'), true, 'a state still needs all it promises');
});

t.test('a rig session is replaced by its later revision or by a later session', async (t) => {
  const session = (session_uid: string, revision: number): RigSession =>
    RigSession.parse({
      v: 1,
      session_uid,
      session_id: 'GAME',
      revision,
      state: 'recording',
      conductor: 'CAM_C',
      start_at: null,
      stop_at: null,
      max_duration_sec: 60,
      cameras: [],
      updated_at: '2024-03-15T14:00:00Z',
    });
  const early = '01HS0000000000000000000001';
  const late = '01HS0000000000000000000002';
  t.ok(supersedes(session(early, 1), undefined), 'anything replaces nothing');
  t.ok(supersedes(session(early, 3), session(early, 2)));
  t.notOk(supersedes(session(early, 2), session(early, 2)), 'not itself: echoes end');
  t.notOk(supersedes(session(early, 1), session(early, 2)));
  t.ok(supersedes(session(late, 1), session(early, 9)), 'revisions count within a session only');
  t.notOk(
    supersedes(session(early, 9), session(late, 1)),
    'a stop of the first half does not end the second',
  );
});
