import { z } from 'zod';
import { CameraId, Part, SessionId, SessionUid } from './ids.ts';
import { Gate } from './manifest.ts';
import { WireTime } from './time.ts';

/** States of a recording session on one node. */
export const SessionState = z.enum(['idle', 'armed', 'preparing', 'recording', 'finalizing', 'error']);
export type SessionState = z.infer<typeof SessionState>;

/** What the conductor of a start knows about one camera. */
export const CameraReadiness = z
  .object({
    camera_id: CameraId,
    state: z.enum(['ready', 'not_ready', 'silent']),
    reason: z.string().optional().describe('Why it is not ready'),
    gates: z.array(Gate).default([]),
  })
  .describe('Answer of one camera to the start barrier');
export type CameraReadiness = z.infer<typeof CameraReadiness>;

/** The one retained record of what the rig is doing; nodes that come back read it and rejoin, or stop. */
export const RigSession = z
  .object({
    v: z.literal(1),
    session_uid: SessionUid,
    session_id: SessionId,
    revision: z.int().min(1).describe('Grows with each change of this session'),
    state: z.enum(['preparing', 'recording', 'stopped', 'failed']),
    conductor: CameraId,
    start_at: WireTime.nullable().describe('Agreed instant in master time'),
    stop_at: WireTime.nullable(),
    max_duration_sec: z.int().min(1),
    cameras: z.array(CameraReadiness),
    beep_at: WireTime.optional().describe('When the master sounded the start beep, master time'),
    reason: z.string().optional(),
    updated_at: WireTime,
  })
  .describe('Retained record of the session the rig is in');
export type RigSession = z.infer<typeof RigSession>;

/** Whether `next` replaces `current`: a later revision of the same session, or a later session (uids sort by time). */
export function supersedes(next: RigSession, current: RigSession | undefined): boolean {
  if (current === undefined) return true;
  if (next.session_uid === current.session_uid) return next.revision > current.revision;
  return next.session_uid > current.session_uid;
}

/** What a recording is doing now, as part of the recorder's state. */
export const ActiveRecording = z.object({
  session_uid: SessionUid,
  session_id: SessionId,
  part: Part,
  file: z.string().describe('Path below the storage root'),
  start_at: WireTime,
  duration_sec: z.number().min(0),
  frames: z.int().min(0),
  dropped_frames: z.int().min(0),
  size_bytes: z.int().min(0),
  fps: z.number().min(0).describe('Frames per second written in the last seconds'),
  bitrate_mbps: z.number().min(0),
});
export type ActiveRecording = z.infer<typeof ActiveRecording>;
