import type { Readable } from 'node:stream';
import type { TouchlineError } from '#contracts/errors.ts';
import type { VideoCodec } from '#contracts/manifest.ts';
import type { StreamFormat } from './encoders.ts';

/** What a camera delivers. */
export interface CameraMode {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly codec: VideoCodec;
  /** Mbit/s, as far as it is known before the first frame. */
  readonly bitrateMbps: number;
}

/** One way to record: a mode of the camera and the rung of the encoder ladder that makes it. */
export interface Profile extends CameraMode {
  /** `x264-superfast`, …; `copy` when the stream comes encoded. */
  readonly rung: string;
}

/** What a camera can be asked for. */
export interface CameraOffer {
  /** What the configuration wants, as people read it. */
  readonly requested: string;
  /** Best first; each next one asks less of the machine. */
  readonly profiles: readonly [Profile, ...Profile[]];
}

/** `h264 3840x2160@30`: a profile as people read it. */
export function profileName({ codec, width, height, fps }: CameraMode): string {
  return `${codec} ${width}x${height}@${fps}`;
}

/** A source of video: one adapter per kind, all behave alike (see the conformance suite). */
export interface Camera {
  /** `test-pattern`, `file`, … as in the configuration. */
  readonly source: string;
  /**
   * Live cameras run from `open` on and show what is now. A film is not live: its first frame belongs to the start instant,
   * so it is opened with it.
   */
  readonly live: boolean;
  /**
   * What it can deliver. Throws `camera_missing`, `source_not_video` or `program_missing`. Cheap enough to ask at each start.
   */
  probe(signal: AbortSignal): Promise<CameraOffer>;
  /** Starts it. `cueMonoUs`: when a film's first frame is exposed (in the past: the film has gone on since). */
  open(options: OpenOptions): Promise<CameraStream>;
}

export interface OpenOptions {
  readonly cueMonoUs: number;
  /** One of those that `probe` offered. */
  readonly profile: Profile;
  /**
   * Exposures together with those of the rig's other cameras, where the camera stack can: the server sets the beat, the clients take it
   * over. Costs a late first frame; a client whose server is silent sends none. Cameras that cannot ignore it.
   */
  readonly frameSync?: FrameSyncRole;
  readonly signal: AbortSignal;
}

export type FrameSyncRole = 'server' | 'client';

/** A running camera. */
export interface CameraStream {
  /**
   * The frames with their time stamps, as `format` says: a frame that is dropped leaves a gap in them. A pipe of the operating
   * system, so that a program can be given it as its stdin.
   */
  readonly output: Readable;
  readonly format: StreamFormat;
  /** When the first frame of the stream was exposed, monotonic microseconds; never settles if there is none. */
  readonly firstFrameMonoUs: Promise<number>;
  /**
   * Whether exposures are aligned with the rig's, as far as this camera can tell: a client knows once it has taken over a beat; a
   * server cannot know who listens and says true when it has sent it. False or left out: not asked for, or not possible.
   */
  readonly frameSynced?: () => boolean;
  /** Settles when the stream ends: undefined after `close`, otherwise why (`camera_failed`). */
  readonly ended: Promise<TouchlineError | undefined>;
  /** Stops it (`orderly` when left out) and waits until its processes are gone. */
  close(closing?: Closing): Promise<void>;
}

/** `orderly`: its processes are asked to end first. `at-once`: they are ended, because nothing of what they still hold is wanted. */
export type Closing = 'orderly' | 'at-once';

/** Key frames come at least this often: a file begins at one, and so does what survives. */
export const KEYFRAME_INTERVAL_SEC = 0.5;
