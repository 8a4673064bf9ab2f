import { z } from 'zod';
import type { EventName, EventOf } from './events.ts';
import { CameraId, Part, Position, SessionUid } from './ids.ts';
import { Manifest } from './manifest.ts';
import { NodeAccess } from './node-config.ts';
import { RigSession } from './session.ts';
import { NodeStatus } from './states.ts';

/** HTTP of a camera node: the bodies of the routes in `routes.ts`. */

export const RigView = z.object({
  rig: z.string(),
  session: RigSession.nullable(),
  nodes: z.array(
    z.object({
      camera_id: CameraId,
      position: Position.nullable(),
      available: z.boolean(),
      status: NodeStatus.nullable(),
    }),
  ),
  disagreements: z.array(z.string()).describe('What the nodes of the rig do not agree on'),
});
export type RigView = z.infer<typeof RigView>;

/** `viewer` looks, `operator` starts and stops too. */
export const Role = z.enum(['viewer', 'operator']);
export type Role = z.infer<typeof Role>;

/** `GET`, `POST` and `DELETE session`. */
export const SessionView = z.object({
  role: Role.nullable().describe('Null without a session, where one is needed'),
  access: NodeAccess,
});
export type SessionView = z.infer<typeof SessionView>;

/** Body of `POST session`. */
export const PinEntry = z.object({
  pin: z
    .string()
    .regex(/^\d{8}$/, 'must be eight digits')
    .describe('PIN of the rig'),
});

/** `GET light`: all that is told without a session. */
export const LightView = z.object({
  light: z
    .enum(['recording', 'ok', 'warning', 'fault'])
    .describe('The worst of the rig; `recording` when nothing is wrong'),
  recording: z.boolean(),
});
export type LightView = z.infer<typeof LightView>;

/** Query of a preview. */
export const PreviewQuery = z.object({
  width: z.coerce
    .number()
    .pipe(z.int().min(64).max(1920))
    .default(480)
    .describe('Pixels; never more than the camera has'),
});

/** `event`: an event of the bus, of any node of the rig. */
export interface BusEvent {
  readonly camera_id: CameraId;
  readonly name: EventName;
  readonly payload: EventOf<EventName>;
}

/** Messages of the node's event stream, with `beat` and `reset` of every stream. */
export interface NodeMessages {
  rig: RigView;
  event: BusEvent;
}

/** `GET recordings`. */
export const RecordingList = z.object({
  recordings: z.array(
    z.object({
      manifest_path: z.string(),
      manifest: Manifest,
      session_uid: SessionUid,
      part: Part,
      playable: z.boolean().describe('The file is there, and of a kind that browsers play'),
      playlist: z.string().nullable().describe('Path of its HLS playlist on that node'),
    }),
  ),
  unreadable: z.array(z.object({ manifest_path: z.string(), reason: z.string() })),
});
export type RecordingList = z.infer<typeof RecordingList>;
