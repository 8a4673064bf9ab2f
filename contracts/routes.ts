/** Paths of every HTTP server of ours. No other file spells them. Free of schemas: browsers take these without the rest. */

/** Routes that node and central both have. */
export const commonRoutes = {
  openapi: '/api/v1/openapi.json',
  events: '/api/v1/events',
  health: '/api/v1/health',
} as const;

/** The page of a server, and what it is made of. */
export const pageRoutes = {
  page: '/',
  assets: '/assets/*',
} as const;

/** HTTP of a camera node. */
export const nodeRoutes = {
  status: '/api/v1/status',
  rig: '/api/v1/rig',
  rigStart: '/api/v1/rig/start',
  rigStop: '/api/v1/rig/stop',
  recordings: '/api/v1/recordings',
  offloadedRecordings: '/api/v1/recordings/offloaded',
  offload: '/api/v1/offload',
  arm: '/api/v1/arm',
  disarm: '/api/v1/disarm',
  selfTest: '/api/v1/selftest',
  lockView: '/api/v1/lock-view',
  audio: '/api/v1/audio',
  previews: '/api/v1/preview',
  promote: '/api/v1/sync/promote',
  setTime: '/api/v1/sync/time',
  shutdown: '/api/v1/shutdown',
  update: '/api/v1/update',
  updateCheck: '/api/v1/update/check',
  updateApply: '/api/v1/update/apply',
  updateRollback: '/api/v1/update/rollback',
  health: commonRoutes.health,
  events: commonRoutes.events,
  preview: '/api/v1/preview.jpg',
  motionPreview: '/api/v1/preview.mjpeg',
  playlist: '/api/v1/recordings/:session_uid/:part/index.m3u8',
  video: '/api/v1/recordings/:session_uid/:part/video.mp4',
  /** Previews and recordings of any camera of the rig, through the node that is asked. */
  camera: '/api/v1/rig/cameras/:camera_id',
  cameraArm: '/api/v1/rig/cameras/:camera_id/arm',
  cameraDisarm: '/api/v1/rig/cameras/:camera_id/disarm',
  cameraSelfTest: '/api/v1/rig/cameras/:camera_id/selftest',
  cameraLockView: '/api/v1/rig/cameras/:camera_id/lock-view',
  cameraAudio: '/api/v1/rig/cameras/:camera_id/audio',
  cameraPreviews: '/api/v1/rig/cameras/:camera_id/preview',
  cameraPromote: '/api/v1/rig/cameras/:camera_id/sync/promote',
  cameraShutdown: '/api/v1/rig/cameras/:camera_id/shutdown',
  cameraUpdateCheck: '/api/v1/rig/cameras/:camera_id/update/check',
  cameraUpdateApply: '/api/v1/rig/cameras/:camera_id/update/apply',
  cameraUpdateRollback: '/api/v1/rig/cameras/:camera_id/update/rollback',
  cameraPreview: '/api/v1/rig/cameras/:camera_id/preview.jpg',
  cameraRecordings: '/api/v1/rig/cameras/:camera_id/recordings',
  cameraOffloadedRecordings: '/api/v1/rig/cameras/:camera_id/recordings/offloaded',
  cameraPlaylist: '/api/v1/rig/cameras/:camera_id/recordings/:session_uid/:part/index.m3u8',
  cameraVideo: '/api/v1/rig/cameras/:camera_id/recordings/:session_uid/:part/video.mp4',
  session: '/api/v1/session',
  light: '/api/v1/light',
} as const;

/** Route of a service's Unix socket: the same commands as on MQTT. */
export const socketCommandRoute = '/cmd/:service/:name';

/** Route of the recorder's picture socket, which its own node's api asks: pictures stay off the bus. */
export const socketPreviewRoute = '/preview.jpg';
/** When the frame was exposed, as a wire time: header of every preview. */
export const CAPTURED_AT_HEADER = 'x-captured-at';

/** By which one node of the rig knows another: header of what a node asks of the others. */
export const RIG_KEY_HEADER = 'x-touchline-rig-key';

/** HTTP of the central server. */
export const centralRoutes = {
  health: commonRoutes.health,
  events: commonRoutes.events,
  upload: '/api/v1/upload',
  confirm: '/api/v1/upload/confirm',
  sessions: '/api/v1/sessions',
  session: '/api/v1/sessions/:session_uid',
  panorama: '/api/v1/sessions/:session_uid/panorama',
  jobs: '/api/v1/jobs',
  job: '/api/v1/jobs/:job_id',
  jobCancel: '/api/v1/jobs/:job_id/cancel',
  jobRepeat: '/api/v1/jobs/:job_id/repeat',
  devices: '/api/v1/devices',
  calibrations: '/api/v1/calibrations',
  checksums: '/api/v1/sessions/:session_uid/checksums',
} as const;

/** Files of a session on central. All take Range; `?download` names them as they are named in `checksums`. */
export const centralFiles = {
  original: '/api/v1/sessions/:session_uid/recordings/:camera_id/:part/original.mp4',
  proxy: '/api/v1/sessions/:session_uid/recordings/:camera_id/:part/proxy.mp4',
  thumbnail: '/api/v1/sessions/:session_uid/recordings/:camera_id/:part/thumbnail.jpg',
  manifest: '/api/v1/sessions/:session_uid/recordings/:camera_id/:part/manifest.json',
  timeline: '/api/v1/sessions/:session_uid/recordings/:camera_id/:part/timeline.jsonl',
  marks: '/api/v1/sessions/:session_uid/recordings/:camera_id/:part/marks.jsonl',
  panorama: '/api/v1/sessions/:session_uid/panorama.mp4',
  panoramaThumbnail: '/api/v1/sessions/:session_uid/panorama.jpg',
} as const;

/** The path of a route with its parameters filled in. */
export function pathTo(route: string, parameters: Readonly<Record<string, string | number>>): string {
  return route.replace(/:([a-z_]+)/g, (whole, name: string) =>
    name in parameters ? encodeURIComponent(String(parameters[name])) : whole,
  );
}

/** Content type of every error. */
export const PROBLEM_JSON = 'application/problem+json';
