import { z } from 'zod';
import { CameraId, Part, Position, SessionId, SessionUid, Sha256 } from './ids.ts';
import { WireTime } from './time.ts';

/**
 * The manifest describes one file of a recording. Version 1.0 is shared with other programs; what Touchline adds
 * lives under the one optional key `touchline`, so a 1.0 reader reads our files and we read a 1.0 writer's.
 */

export const VideoCodec = z.enum(['h264', 'h265', 'mjpeg']);
export type VideoCodec = z.infer<typeof VideoCodec>;

export const GateLevel = z.enum(['hard', 'soft', 'note']);
export const Gate = z
  .object({ gate: z.string(), level: GateLevel, reason: z.string() })
  .describe('One reason why a start is refused (hard, soft) or worth a word (note)');
export type Gate = z.infer<typeof Gate>;

export const Gap = z
  .object({
    from: WireTime,
    to: WireTime,
    frames: z.int().min(0).describe('Frames that should have been there'),
    reason: z.string(),
  })
  .describe('A stretch of time without frames');
export type Gap = z.infer<typeof Gap>;

/** How the local clock stood against the rig's master. `null` means: not known, and never a made-up number. */
export const ClockReading = z
  .object({
    source: z
      .enum(['same_kernel', 'master', 'exchange', 'chrony', 'none'])
      .describe(
        'What it rests on. `same_kernel`: master and node read one and the same clock; `master`: this node is the master; `exchange`: measured between the nodes; `chrony`: what chronyd says, alone',
      ),
    offset_ms: z.number().nullable().describe('Local minus master'),
    bound_ms: z
      .number()
      .min(0)
      .nullable()
      .describe('Guaranteed: the true offset is within this of offset_ms'),
    ci95_ms: z.number().min(0).nullable().describe('Statistical: 95 % of true offsets are within this'),
    confidence: z.number().min(0).max(1),
    stratum: z.int().min(0).max(16).nullable(),
    last_sync: WireTime.nullable(),
  })
  .describe('What is known about the local clock');
export type ClockReading = z.infer<typeof ClockReading>;

/** A clock that was set while it should have run on. */
export const ClockStep = z
  .object({
    at: WireTime.describe('Local wall clock after the step'),
    mono_us: z.int().describe('Monotonic microseconds when it was noticed'),
    step_ms: z.number().describe('Forward is positive'),
  })
  .describe('A step of the local wall clock');
export type ClockStep = z.infer<typeof ClockStep>;

/** A full picture taken by Lock View: later ones tell whether the mast moved. */
export const LockView = z
  .object({
    file: z.string().describe('File name of the JPEG, below lock-views/ on the node'),
    at: WireTime.describe('When it was taken, master time'),
    sha256: Sha256,
    width: z.int().min(1),
    height: z.int().min(1),
  })
  .describe('Reference picture of where the camera looks');
export type LockView = z.infer<typeof LockView>;

export const AudioTrack = z
  .object({ codec: z.literal('aac'), sample_rate_hz: z.int().min(8000), channels: z.int().min(1).max(2) })
  .describe('Audio track of a file');
export type AudioTrack = z.infer<typeof AudioTrack>;

export const TouchlineAdditions = z
  .object({
    session_uid: SessionUid,
    part: Part,
    final: z
      .boolean()
      .describe('True on the last part of a recording: nothing of this camera is still to come'),
    recovered: z.boolean().describe('True when the file was finished after a crash or power loss'),
    offloaded: z.boolean().describe('True once the server confirmed the same SHA-256'),
    offloaded_at: WireTime.nullable(),
    frames: z.int().min(0),
    first_frame: z
      .object({
        master: WireTime.nullable(),
        local: WireTime,
        mono_us: z.int().nullable(),
        boot_id: z.string(),
      })
      .describe('When the first frame of the file was exposed'),
    start_at: WireTime.describe('The instant agreed by the rig, in master time'),
    start_skew_ms: z.number().nullable().describe('First exposure at or after start_at, minus start_at'),
    start_frame: z.int().min(0).describe('Index of that frame in the file; those before it are pre-roll'),
    clock: ClockReading,
    frame_phase_sync: z.boolean().describe('Whether the camera stack aligned the exposures of the rig'),
    gaps: z.array(Gap),
    encoder_restarts: z.int().min(0),
    disk_errors: z.int().min(0),
    clock_steps: z.int().min(0),
    steps: z.array(ClockStep).default([]).describe('Steps of the local clock while this file was recorded'),
    overridden_gates: z.array(Gate),
    timeline: z.string().describe('File name of the sync timeline, beside the manifest'),
    source: z.string().describe('Kind of camera: test-pattern, file, …'),
    requested: z.string().describe('The profile asked for'),
    effective: z.string().describe('The profile recorded'),
    reason: z.string().nullable().default(null).describe('Why it is not the one asked for'),
    audio: AudioTrack.nullable().default(null),
    lock_view: LockView.nullable().default(null),
    beep_at: WireTime.nullable()
      .default(null)
      .describe('When the master sounded the start beep, master time; null when it did not'),
    bytes_lost: z.int().min(0).describe('Bytes of an unfinished fragment that recovery cut off'),
  })
  .describe("Touchline's additions to version 1.0");
export type TouchlineAdditions = z.infer<typeof TouchlineAdditions>;

/** A name that is joined into paths: it leads nowhere else. */
const VideoFileName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,190}\.mp4$/, 'must be a plain file name that ends in .mp4');

export const Manifest = z
  .object({
    version: z.literal('1.0'),
    recording: z.object({
      id: z.string().min(1),
      session_id: SessionId,
      camera_id: CameraId,
      position: Position,
    }),
    file: z.object({
      name: VideoFileName,
      size_bytes: z.int().min(0),
      container: z.literal('mp4'),
      codec: VideoCodec,
    }),
    video: z.object({
      resolution: z.object({ width: z.int().min(1), height: z.int().min(1) }),
      fps: z.int().min(1),
      bitrate_mbps: z.int().min(0),
      duration_sec: z.number().min(0),
    }),
    timing: z.object({
      start_time: WireTime,
      end_time: WireTime,
      ntp_synced: z.boolean(),
      sync_offset_ms: z.number().optional(),
    }),
    checksum: z.object({ algorithm: z.literal('sha256'), value: Sha256 }),
    device: z
      .object({
        hostname: z.string().optional(),
        ip_address: z.string().optional(),
        software_version: z.string().optional(),
      })
      .optional(),
    quality: z
      .object({
        dropped_frames: z.int().min(0).optional(),
        temperature_avg_c: z.number().optional(),
        temperature_max_c: z.number().optional(),
      })
      .optional(),
    touchline: TouchlineAdditions.optional(),
  })
  .describe('Manifest 1.0 of one recorded file');
export type Manifest = z.infer<typeof Manifest>;

/** A manifest written by us: the additions are always there. */
export const TouchlineManifest = Manifest.extend({ touchline: TouchlineAdditions });
export type TouchlineManifest = z.infer<typeof TouchlineManifest>;

/** One row of `*.timeline.jsonl`, once a second: enough to correct a drift afterwards. */
export const TimelineRow = z
  .object({
    mono_us: z.int(),
    local: WireTime,
    master: WireTime.nullable(),
    offset_ms: z.number().nullable(),
    bound_ms: z.number().nullable(),
    ci95_ms: z.number().nullable().default(null),
    frame: z.int().min(0).describe('Frames in the file so far'),
    pts_us: z.int().min(0).describe('End of the last written frame, from the start of the file'),
    bytes: z.int().min(0),
  })
  .describe('One row of a timeline file');
export type TimelineRow = z.infer<typeof TimelineRow>;

/**
 * What recovery needs when the power fails: written and synced before the first byte of video, removed when the
 * manifest is there. Below one kilobyte.
 */
export const Journal = z
  .object({
    v: z.literal(1),
    run_id: z.string().describe('The run of the recorder that wrote it'),
    session_id: SessionId,
    session_uid: SessionUid,
    camera_id: CameraId,
    position: Position,
    part: Part,
    file: VideoFileName,
    start_at: WireTime,
    base: z
      .object({
        first_frame_master: WireTime.nullable().default(null),
        first_frame_local: WireTime,
        first_frame_mono_us: z.int(),
        boot_id: z.string(),
      })
      .describe('When the frame with time stamp 0 was exposed'),
    gap_reason: z.string().nullable().default(null).describe('Why there is a part before this one'),
    codec: VideoCodec,
    fps: z.int().min(1),
    source: z.string(),
    requested: z.string(),
    effective: z.string(),
    reason: z.string().nullable().default(null),
    audio: AudioTrack.nullable().default(null),
    frame_phase_sync: z.boolean().default(false),
    lock_view: LockView.nullable().default(null),
    clock: ClockReading,
    overridden_gates: z.array(Gate),
    software_version: z.string(),
    hostname: z.string(),
  })
  .describe('Journal of a file that is being written');
export type Journal = z.infer<typeof Journal>;
