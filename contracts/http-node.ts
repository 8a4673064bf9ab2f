import { z } from 'zod';
import { CameraId, Position } from './ids.ts';
import { Manifest } from './manifest.ts';
import { RigSession } from './session.ts';
import { NodeStatus } from './states.ts';

/** HTTP of a camera node. No other file spells its routes. */

export const nodeRoutes = {
  status: '/api/v1/status',
  rig: '/api/v1/rig',
  rigStart: '/api/v1/rig/start',
  rigStop: '/api/v1/rig/stop',
  recordings: '/api/v1/recordings',
  offload: '/api/v1/offload',
  health: '/api/v1/health',
} as const;

/** Route of a service's Unix socket: the same commands as on MQTT. */
export const socketCommandRoute = '/cmd/:service/:name';

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

export const RecordingList = z.object({
  recordings: z.array(z.object({ manifest_path: z.string(), manifest: Manifest })),
  unreadable: z.array(z.object({ manifest_path: z.string(), reason: z.string() })),
});
export type RecordingList = z.infer<typeof RecordingList>;
