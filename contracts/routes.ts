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
  offload: '/api/v1/offload',
  health: commonRoutes.health,
  events: commonRoutes.events,
  preview: '/api/v1/preview.jpg',
  playlist: '/api/v1/recordings/:session_uid/:part/index.m3u8',
  video: '/api/v1/recordings/:session_uid/:part/video.mp4',
  /** Previews and recordings of any camera of the rig, through the node that is asked. */
  camera: '/api/v1/rig/cameras/:camera_id',
  session: '/api/v1/session',
  light: '/api/v1/light',
} as const;

/** Route of a service's Unix socket: the same commands as on MQTT. */
export const socketCommandRoute = '/cmd/:service/:name';

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
} as const;

/** Content type of every error. */
export const PROBLEM_JSON = 'application/problem+json';
