import { z } from 'zod';
import { WireError } from './errors.ts';
import type { Reset } from './http.ts';
import { CameraId, Part, Position, RigId, SessionId, SessionUid, Sha256 } from './ids.ts';
import { PanoramaResult, PanoramaSettings } from './panorama.ts';
import { NodeStatus } from './states.ts';
import { WireTime } from './time.ts';

/** HTTP of the central server: the bodies of the routes in `routes.ts`. */

/** Text fields of the multipart upload; the file itself is the part named `file` (video/mp4), after them. */
export const UploadFields = z.object({
  session_id: SessionId,
  camera_id: CameraId,
  checksum: Sha256,
  manifest: z.string().max(1_000_000).optional().describe('Manifest 1.0 as a JSON string'),
  timeline: z
    .string()
    .max(8_000_000)
    .optional()
    .describe('What the clocks said while it was recorded: the lines of the timeline file'),
  marks: z
    .string()
    .max(8_000_000)
    .optional()
    .describe('The moments of its session as its camera kept them: the lines of marks.jsonl'),
  session_uid: SessionUid.optional(),
  part: z.coerce.number().pipe(Part).default(1),
});
export type UploadFields = z.infer<typeof UploadFields>;

export const UploadResult = z.object({
  success: z.literal(true),
  recording_id: z.string(),
  file_size: z.int(),
  checksum_verified: z.boolean(),
  session_uid: SessionUid.describe('The session it was stored under'),
  stored_as: z.string().describe('Session folder'),
  already_there: z.boolean().describe('The same bytes were there, read back and found good'),
  renamed: z.boolean().describe('The name belonged to another session: this one is kept beside it'),
});
export type UploadResult = z.infer<typeof UploadResult>;

export const ConfirmRequest = z.object({
  session_id: SessionId,
  camera_id: CameraId,
  session_uid: SessionUid.optional(),
  part: Part.default(1),
  verify: z
    .enum(['ingest', 'deep'])
    .default('ingest')
    .describe('`deep` reads the file from disk and hashes it again'),
});
export type ConfirmRequest = z.infer<typeof ConfirmRequest>;
export const ConfirmResult = z.object({
  success: z.literal(true),
  session_id: SessionId,
  camera_id: CameraId,
  session_uid: SessionUid,
  part: Part,
  file_size: z.int(),
  checksum_sha256: Sha256,
});
export type ConfirmResult = z.infer<typeof ConfirmResult>;

export const CentralHealth = z.object({
  status: z.enum(['healthy', 'degraded']),
  storage_free_gb: z.number(),
  active_uploads: z.int(),
  software_version: z.string(),
  database: z.enum(['ok', 'unavailable']),
  workers: z.int().describe('Workers that reported in the last seconds'),
});
export type CentralHealth = z.infer<typeof CentralHealth>;

export const JobState = z.enum(['queued', 'running', 'done', 'failed', 'cancelled']);
export type JobState = z.infer<typeof JobState>;

/** What every job has, whatever it makes. */
const jobShape = {
  job_id: z.string(),
  session_uid: SessionUid,
  subject: z.string().describe('What of the session: nothing, or `CAM_L/1` (camera and part), or `panorama`'),
  state: JobState,
  progress: z.number().min(0).max(1),
  speed: z.number().nullable().describe('Times real time'),
  remaining_sec: z.number().nullable(),
  attempt: z.int().min(0),
  created_at: WireTime,
  started_at: WireTime.nullable(),
  finished_at: WireTime.nullable(),
  error: WireError.nullable(),
  log: z.array(z.string()).describe('Last lines: 200 when the one job is asked for, else 5'),
} as const;

export const PanoramaJob = z.object({
  kind: z.literal('panorama'),
  ...jobShape,
  settings: PanoramaSettings,
  result: PanoramaResult.nullable(),
});
export type PanoramaJob = z.infer<typeof PanoramaJob>;

/** A proxy has no choices: every browser has to play it. */
export const ProxySettings = z.object({});
export const ProxyResult = z.object({
  file: z.string().nullable().describe('Absolute path on the server; null when only the thumbnail was made'),
  thumbnail: z.string().describe('Absolute path on the server'),
  copied: z.boolean().describe('The original pictures, not encoded again'),
  width: z.int(),
  height: z.int(),
  frames: z.int().describe('As many as the original has'),
  duration_sec: z.number(),
  fps: z.number(),
});
export type ProxyResult = z.infer<typeof ProxyResult>;
export const ProxyJob = z.object({
  kind: z.literal('proxy'),
  ...jobShape,
  settings: ProxySettings,
  result: ProxyResult.nullable(),
});
export type ProxyJob = z.infer<typeof ProxyJob>;

export const Job = z.discriminatedUnion('kind', [PanoramaJob, ProxyJob]).describe('A job and how far it is');
export type Job = z.infer<typeof Job>;

/** Repeats a job: as it was, or with other settings. */
export const JobRepeat = z
  .object({ settings: z.record(z.string(), z.unknown()).optional().describe('Those of its kind') })
  .default({});

const UrlPath = z.string().describe('Path on this server');

/** What a video file shows when all of it was read. */
export const VideoFacts = z.object({
  codec: z.string(),
  width: z.int(),
  height: z.int(),
  fps: z.number(),
  frames: z.int(),
  duration_sec: z.number().describe('From the first frame to the end of the last, gaps included'),
});
export type VideoFacts = z.infer<typeof VideoFacts>;

export const CentralRecording = z.object({
  recording_id: z.string(),
  camera_id: CameraId,
  position: Position.nullable(),
  part: Part,
  file: z.string().describe('Absolute path on the server'),
  manifest: z.string().nullable().describe('Absolute path on the server'),
  size_bytes: z.int(),
  sha256: Sha256,
  received_at: WireTime,
  started_at: WireTime.nullable().describe(
    'When the first frame was exposed, in master time where it is known',
  ),
  master_time: z.boolean().nullable().describe("False: started_at is by the node's own clock"),
  /** From the manifest until the proxy was made, then from the file; null when neither tells. */
  duration_sec: z.number().nullable(),
  fps: z.number().nullable(),
  frames: z.int().nullable(),
  width: z.int().nullable(),
  height: z.int().nullable(),
  codec: z.string().nullable(),
  original_url: UrlPath,
  proxy_url: UrlPath.nullable().describe('Null until it was made: see the job of kind `proxy`'),
  manifest_url: UrlPath.nullable(),
  thumbnail_url: UrlPath.nullable(),
});
export type CentralRecording = z.infer<typeof CentralRecording>;
export const CentralSession = z.object({
  session_uid: SessionUid,
  session_id: SessionId,
  folder: z.string(),
  complete: z.boolean().describe('Every camera of the session has sent its last part'),
  cameras: z.array(CameraId).describe('Those that took part, from left to right'),
  missing: z.array(CameraId).describe('Those of them that have not sent everything'),
  started_at: WireTime.nullable().describe('The earliest frame of its recordings'),
  duration_sec: z.number().nullable().describe('From there to the latest'),
  thumbnail_url: UrlPath.nullable(),
  recordings: z.array(CentralRecording),
  panorama: z
    .object({ url: UrlPath, thumbnail_url: UrlPath.nullable(), result: PanoramaResult })
    .nullable()
    .describe('The last one that was made'),
  jobs: z.array(Job),
});
export type CentralSession = z.infer<typeof CentralSession>;

export const Device = z
  .object({
    rig: RigId,
    camera_id: CameraId,
    available: z.boolean().describe('It says so itself, and was heard in the last seconds'),
    seen_at: WireTime.describe('When it last spoke'),
    status: NodeStatus.nullable(),
  })
  .describe('A camera node whose rig sends its states here');
export type Device = z.infer<typeof Device>;
export const DeviceList = z.object({ devices: z.array(Device) });

/**
 * Messages of the event stream. `reset` comes first to whoever cannot be told what was missed, and whenever changes
 * may have been lost. `session`, like `job`, is the whole of it as it is now.
 */
export interface CentralEvents {
  readonly job: Job;
  readonly session: CentralSession;
  readonly device: Device;
  readonly reset: Reset;
}

/** What central keeps beside the files of a session, so that the folders alone tell all of it. */
export const StoredSession = z
  .object({
    v: z.literal(1),
    session_uid: SessionUid,
    session_id: SessionId,
    origin_uid: SessionUid.nullable().describe('The session it was sent as, when it is kept beside that one'),
    created_at: WireTime,
  })
  .describe('Whose session folder it is');
export type StoredSession = z.infer<typeof StoredSession>;

export const SessionList = z.object({ sessions: z.array(CentralSession) });
export const JobList = z.object({ jobs: z.array(Job) });
