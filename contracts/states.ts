import { z } from 'zod';
import { WireError } from './errors.ts';
import { CameraId, Part, Position, RigId, ServiceName, SessionId, SessionUid } from './ids.ts';
import { ClockReading, Gate, VideoCodec } from './manifest.ts';
import { ActiveRecording, SessionState } from './session.ts';
import { WireTime } from './time.ts';

/** Retained states. Each service writes its own and no other; a reader drops keys it does not know. */

/** `touchline/{rig}/{node}/availability`; `offline` is the last will. */
export const Availability = z
  .object({ v: z.literal(1), state: z.enum(['online', 'offline']), boot_id: z.string(), at: WireTime })
  .describe('Whether the node is there');
export type Availability = z.infer<typeof Availability>;

/** Common to all service states. `online: false` is the service's last will. */
const serviceState = { v: z.literal(1), online: z.boolean(), run_id: z.string(), at: WireTime } as const;

export const OfflineState = z.object({ ...serviceState, online: z.literal(false) });

export const RecorderState = z
  .object({
    ...serviceState,
    boot_id: z.string(),
    state: SessionState,
    recording: ActiveRecording.nullable(),
    session_uid: SessionUid.nullable().describe('The session being prepared, recorded or finalized'),
    camera: z.object({
      source: z.string(),
      present: z.boolean(),
      width: z.int(),
      height: z.int(),
      fps: z.int(),
      codec: VideoCodec,
      reason: z.string().nullable().describe('Why it is not present'),
    }),
    disk: z.object({
      present: z.boolean(),
      free_bytes: z.int().nullable(),
      total_bytes: z.int().nullable(),
      minutes_left: z.number().nullable(),
    }),
    gates: z.array(Gate).describe('What would be said to a start now'),
    faults: z.array(WireError).describe('Faults that are there now'),
    encoder_restarts: z.int().min(0),
    disk_errors: z.int().min(0),
  })
  .describe('State of the recorder');
export type RecorderState = z.infer<typeof RecorderState>;

export const SyncState = z
  .object({
    ...serviceState,
    role: z.enum(['master', 'follower']),
    master: CameraId,
    boot_id: z.string(),
    clock: ClockReading,
    local_time: WireTime,
    master_time: WireTime.nullable(),
  })
  .describe('State of sync-agent');
export type SyncState = z.infer<typeof SyncState>;

export const OffloadItem = z.object({
  session_uid: SessionUid,
  session_id: SessionId,
  part: Part,
  size_bytes: z.int(),
  sent_bytes: z.int(),
  state: z.enum(['waiting', 'uploading', 'confirming', 'offloaded', 'failed']),
  attempt: z.int().min(0),
  error: WireError.nullable(),
});
export type OffloadItem = z.infer<typeof OffloadItem>;

export const HousekeeperState = z
  .object({
    ...serviceState,
    offload: z.array(OffloadItem).describe('What is being brought home and what ended in this run'),
    recovering: z.boolean(),
  })
  .describe('State of the housekeeper');
export type HousekeeperState = z.infer<typeof HousekeeperState>;

export const BrokerState = z
  .object({
    ...serviceState,
    links: z.array(
      z.object({
        name: z.string().describe('Camera id of the peer, or `central`'),
        connected: z.boolean(),
        queued: z.int().min(0),
        dropped: z.int().min(0).describe('Messages lost because the queue was full'),
        commands_dropped: z
          .int()
          .min(0)
          .describe('Commands that could not be delivered at once; a link never keeps one for later'),
      }),
    ),
  })
  .describe('State of the broker and its bridges');
export type BrokerState = z.infer<typeof BrokerState>;

/** Which schema belongs to which service's state topic. */
export const SERVICE_STATES = {
  recorder: RecorderState,
  'sync-agent': SyncState,
  housekeeper: HousekeeperState,
  broker: BrokerState,
} as const;
export type StatefulService = keyof typeof SERVICE_STATES;
export type ServiceStateOf<S extends StatefulService> = z.infer<(typeof SERVICE_STATES)[S]>;

export const NodeStatus = z
  .object({
    v: z.literal(1),
    rig: RigId,
    camera_id: CameraId,
    position: Position,
    software_version: z.string(),
    boot_id: z.string(),
    at: WireTime,
    uptime_sec: z.number().min(0),
    api_port: z.int().optional().describe('Where this node serves HTTP'),
    level: z.enum(['ok', 'warning', 'fault']),
    warnings: z.array(z.object({ service: ServiceName, code: z.string(), message: z.string() })),
    services: z.record(z.string(), z.object({ online: z.boolean(), at: WireTime })),
    recorder: RecorderState.nullable(),
    sync: SyncState.nullable(),
    offload: z.array(OffloadItem),
  })
  .describe('Everything about one node');
export type NodeStatus = z.infer<typeof NodeStatus>;
