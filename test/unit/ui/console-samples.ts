import type {
  CentralRecording,
  CentralSession,
  Device,
  PanoramaJob,
  ProxyJob,
} from '#contracts/http-central.ts';

/** Examples of what central says, for tests of the console. */

const UID = '01KAJ000000000000000000001';
export const SAMPLE_START = '2026-03-15T14:00:00.000000Z';

export function recording(camera: string, over: Partial<CentralRecording> = {}): CentralRecording {
  return {
    recording_id: `Match_${camera}`,
    camera_id: camera,
    position: null,
    part: 1,
    file: `/store/sessions/Match/${camera}/recording.mp4`,
    manifest: null,
    size_bytes: 1_000_000,
    sha256: 'a'.repeat(64),
    received_at: '2026-03-15T16:00:00.000000Z',
    started_at: SAMPLE_START,
    master_time: true,
    duration_sec: 60,
    fps: 30,
    frames: 1800,
    width: 1920,
    height: 1080,
    codec: 'h264',
    original_url: `/o/${camera}.mp4`,
    proxy_url: `/p/${camera}.mp4`,
    manifest_url: `/m/${camera}.json`,
    thumbnail_url: null,
    ...over,
  };
}

export function session(over: Partial<CentralSession> = {}): CentralSession {
  return {
    session_uid: UID,
    session_id: 'Match',
    folder: 'Match',
    complete: true,
    cameras: ['CAM_L', 'CAM_C', 'CAM_R'],
    missing: [],
    started_at: SAMPLE_START,
    duration_sec: 60,
    thumbnail_url: null,
    recordings: ['CAM_L', 'CAM_C', 'CAM_R'].map((camera) => recording(camera)),
    panorama: null,
    jobs: [],
    ...over,
  };
}

const job = {
  job_id: 'job',
  session_uid: UID,
  state: 'queued',
  progress: 0,
  speed: null,
  remaining_sec: null,
  attempt: 1,
  created_at: '2026-03-15T16:00:00.000000Z',
  started_at: null,
  finished_at: null,
  error: null,
  log: [] as string[],
} as const;

export function panoramaJob(over: Partial<PanoramaJob> = {}): PanoramaJob {
  return {
    ...job,
    log: [],
    kind: 'panorama',
    subject: '',
    settings: { calibration: 'auto', match_exposure: true },
    result: null,
    ...over,
  };
}

export function proxyJob(subject: string, over: Partial<ProxyJob> = {}): ProxyJob {
  return { ...job, log: [], kind: 'proxy', subject, settings: {}, result: null, ...over };
}

export function device(over: Partial<Device> = {}): Device {
  return { rig: 'demo', camera_id: 'CAM_L', available: true, seen_at: SAMPLE_START, status: null, ...over };
}
