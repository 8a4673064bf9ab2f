import { z } from 'zod';

/**
 * Identifiers. They are opaque: compared, never parsed. Each pattern is also what keeps a name from the
 * outside from reaching beyond a folder or a topic level.
 */

/** `[a-z0-9-]{1,32}`: the rig a node belongs to; also a topic level. */
export const RigId = z
  .string()
  .regex(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 of a-z, 0-9 and "-"')
  .describe('Rig identifier');

/** `CAM_L`, `CAM_C`, `CAM_R`, or another `CAM_…`; also the topic level `{node}`. */
export const CameraId = z
  .string()
  .regex(/^CAM_[A-Z0-9]{1,16}$/, 'must be CAM_ followed by 1 to 16 of A-Z and 0-9, such as CAM_C')
  .describe('Camera identifier');

export const Position = z.enum(['left', 'center', 'right']).describe('Place of the camera on the mast');

/** What people call a session. Names may repeat; uids never do. */
export const SessionId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
    'must start with a letter or digit, then up to 63 of letters, digits, "_" and "-"',
  )
  .describe('Session name that people see');

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** What machines rely on: a ULID. */
export const SessionUid = z
  .string()
  .regex(ULID, 'must be a ULID')
  .describe('Session identifier that machines rely on (ULID)');

/** A ULID from our own programs; any short token is accepted, so that a shell script can send a command. */
export const CommandId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of letters, digits, "_" and "-"')
  .describe('Command identifier: a command runs at most once per id');

export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
  .describe('SHA-256, hex');

export const Part = z.int().min(1).max(9999).describe('Number of the file within a recording, from 1');

/** One name per service everywhere: folder = container = topic level = log name. */
export const SERVICES = [
  'recorder',
  'sync-agent',
  'broker',
  'network-manager',
  'signals',
  'health',
  'housekeeper',
  'api',
  'updater',
] as const;
export const ServiceName = z.enum(SERVICES);

export type RigId = z.infer<typeof RigId>;
export type CameraId = z.infer<typeof CameraId>;
export type Position = z.infer<typeof Position>;
export type SessionId = z.infer<typeof SessionId>;
export type SessionUid = z.infer<typeof SessionUid>;
export type ServiceName = z.infer<typeof ServiceName>;

/** `{SESSION_ID}_{CAMERA_ID}`, the id of a recording. */
export function recordingId(sessionId: SessionId, cameraId: CameraId): string {
  return `${sessionId}_${cameraId}`;
}
