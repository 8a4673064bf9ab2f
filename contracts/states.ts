import { z } from 'zod';
import { WireError } from './errors.ts';
import { HealthState } from './health.ts';
import { CameraId, Part, Position, RigId, ServiceName, SessionId, SessionUid } from './ids.ts';
import { AudioTrack, ClockReading, ClockStep, Gate, LockView, VideoCodec } from './manifest.ts';
import { NetworkState } from './network.ts';
import { serviceState } from './service-state.ts';
import { ActiveRecording, SessionState } from './session.ts';
import { SignalsState } from './signals.ts';
import { WireTime } from './time.ts';
import { UpdaterState } from './updates.ts';

/** Retained states. Each service writes its own and no other; a reader drops keys it does not know. */

/** `touchline/{rig}/{node}/availability`; `offline` is the last will. */
export const Availability = z
  .object({ v: z.literal(1), state: z.enum(['online', 'offline']), boot_id: z.string(), at: WireTime })
  .describe('Whether the node is there');
export type Availability = z.infer<typeof Availability>;

export const OfflineState = z.object({ ...serviceState, online: z.literal(false) });

/** What a self-test found; the clip itself is deleted. */
export const SelfTestResult = z
  .object({
    at: WireTime,
    passed: z.boolean(),
    seconds: z.number().describe('Length of the clip'),
    frames: z.int().min(0),
    expected_frames: z.int().min(0),
    dropped_frames: z.int().min(0),
    decodable: z.boolean(),
    encoder_speed: z
      .number()
      .nullable()
      .describe('How many times real time the encoder reaches; null when it was not measured'),
    disk_write_mbps: z.number().nullable().describe('Mbit/s written and synced'),
    findings: z.array(z.string()).describe('What is not as it should be, in words'),
  })
  .describe('Result of a self-test');
export type SelfTestResult = z.infer<typeof SelfTestResult>;

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
    profile: z
      .object({
        requested: z.string(),
        effective: z.string(),
        reason: z.string().nullable().describe('Why it is not the one asked for'),
        measured: z.boolean().describe('Whether this machine was measured to sustain it'),
      })
      .nullable()
      .default(null)
      .describe('What is recorded, as a rung of the encoder ladder; null while there is no camera'),
    armed_until: WireTime.nullable().default(null).describe('When arming expires'),
    audio: z
      .object({
        enabled: z.boolean(),
        track: AudioTrack.nullable().describe('Of the recording that runs'),
        silent: z.string().nullable().default(null).describe('Why there is silence in it'),
      })
      .default({ enabled: false, track: null, silent: null }),
    preview: z
      .object({ state: z.enum(['on', 'off', 'yielding']), reason: z.string().nullable() })
      .default({ state: 'on', reason: null })
      .describe('`yielding`: off by itself, because the machine is needed for the recording'),
    lock_view: LockView.nullable().default(null).describe('The last one'),
    self_test: SelfTestResult.nullable().default(null).describe('The last one in this run'),
    update_lock: z
      .object({
        held: z.boolean().describe('Whether this recorder keeps updates from being applied'),
        reason: z.string().nullable().describe('Why it does'),
        problem: WireError.nullable().describe('Why it cannot: an update could end a recording'),
      })
      .nullable()
      .default(null),
    gates: z.array(Gate).describe('What would be said to a start now'),
    faults: z.array(WireError).describe('Faults that are there now'),
    encoder_restarts: z.int().min(0),
    disk_errors: z.int().min(0),
  })
  .describe('State of the recorder');
export type RecorderState = z.infer<typeof RecorderState>;

/** The truth about time on one node: its monotonic clock against the rig's time. Extrapolate with the rate; the bound grows with age. */
export const RigTime = z
  .object({
    boot_id: z.string().describe('Whose monotonic clock'),
    mono_us: z.int(),
    master: WireTime.describe('Master time at mono_us'),
    rate_ppm: z.number().describe('Master time runs faster than the monotonic clock by this'),
    bound_ms: z.number().nullable(),
    ci95_ms: z.number().nullable(),
  })
  .describe('Mapping from the monotonic clock to master time');
export type RigTime = z.infer<typeof RigTime>;

/** A node that was made master by hand. Nodes tell each other the latest that they know. */
export const Promotion = z
  .object({
    master: CameraId,
    term: z.int().min(1).describe('Counts promotions: the highest is the one that counts'),
    instead_of: CameraId.describe(
      'The configured master at that time; another configuration ends the promotion',
    ),
  })
  .describe('Promotion of a node to master');
export type Promotion = z.infer<typeof Promotion>;

export const SyncState = z
  .object({
    ...serviceState,
    role: z.enum(['master', 'follower']),
    master: CameraId,
    boot_id: z.string(),
    clock: ClockReading,
    local_time: WireTime,
    master_time: WireTime.nullable(),
    rig_time: RigTime.nullable().default(null),
    chrony: z
      .object({
        state: z.enum(['running', 'starting', 'failed']),
        reference: z.string().nullable().describe('What it follows, as chronyc names it'),
        stratum: z.int().min(0).max(16).nullable(),
        offset_ms: z.number().nullable().describe('Local minus reference'),
        bound_ms: z.number().nullable().describe('|offset| + root dispersion + root delay / 2'),
        frequency_ppm: z.number().nullable(),
        last_update: WireTime.nullable(),
        reason: z.string().nullable(),
      })
      .nullable()
      .default(null)
      .describe('What chronyd says; null when the clock is left to the operating system'),
    exchange: z
      .array(
        z.object({
          camera_id: CameraId,
          offset_ms: z.number().nullable().describe('Local minus peer'),
          bound_ms: z.number().nullable(),
          ci95_ms: z.number().nullable(),
          delay_ms: z.number().nullable().describe('Round trip'),
          last_answer: WireTime.nullable(),
        }),
      )
      .default([])
      .describe('What the exchange between the nodes measured'),
    exchange_dropped: z
      .int()
      .min(0)
      .default(0)
      .describe(
        'Datagrams that were neither answered nor believed: garbage, strangers, answers nobody asked for',
      ),
    promotion: Promotion.nullable().default(null).describe('Null while the configured master is the master'),
    disagreement_ms: z
      .number()
      .nullable()
      .default(null)
      .describe('Between chronyd and the exchange; above 2 ms is a warning'),
    steps: z.array(ClockStep).default([]).describe('Steps of the local clock in this run, the last ones'),
    warnings: z.array(WireError).default([]),
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
    retention: z
      .object({
        deleted: z.int().min(0).describe('Recordings deleted in this run'),
        freed_bytes: z.int().min(0),
        doubtful: z
          .array(z.object({ session_uid: SessionUid, session_id: SessionId, part: Part, reason: z.string() }))
          .describe('Offloaded, but not what their manifests say: left alone'),
      })
      .optional(),
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
  signals: SignalsState,
  health: HealthState,
  'network-manager': NetworkState,
  updater: UpdaterState,
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
    health: HealthState.nullable().default(null),
    network: NetworkState.nullable().default(null),
    signals: SignalsState.nullable().default(null),
    updater: UpdaterState.nullable().default(null),
    offload: z.array(OffloadItem),
  })
  .describe('Everything about one node');
export type NodeStatus = z.infer<typeof NodeStatus>;
