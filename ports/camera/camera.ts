import type { Readable } from 'node:stream';
import type { TouchlineError } from '#contracts/errors.ts';
import type { VideoCodec } from '#contracts/manifest.ts';

/** What a camera delivers. */
export interface CameraMode {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly codec: VideoCodec;
  /** Mbit/s, as far as it is known before the first frame. */
  readonly bitrateMbps: number;
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
   * What it delivers. Throws `camera_missing`, `source_not_video` or `program_missing`. Cheap enough to ask at each start.
   */
  probe(signal: AbortSignal): Promise<CameraMode>;
  /** Starts it. `cueMonoUs`: when a film's first frame is exposed (in the past: the film has gone on since). */
  open(options: { cueMonoUs: number; signal: AbortSignal }): Promise<CameraStream>;
}

/** A running camera. */
export interface CameraStream {
  /**
   * MPEG-TS with the time stamps of the frames: a frame that is dropped leaves a gap in them. A pipe of the operating system, so that
   * a program can be given it as its stdin.
   */
  readonly output: Readable;
  /** When the first frame of the stream was exposed, monotonic microseconds; never settles if there is none. */
  readonly firstFrameMonoUs: Promise<number>;
  /** Settles when the stream ends: undefined after `close`, otherwise why (`camera_failed`). */
  readonly ended: Promise<TouchlineError | undefined>;
  /** Stops it (`orderly` when left out) and waits until its processes are gone. */
  close(closing?: Closing): Promise<void>;
}

/** `orderly`: its processes are asked to end first. `at-once`: they are ended, because nothing of what they still hold is wanted. */
export type Closing = 'orderly' | 'at-once';

/** Key frames come at least this often: a file begins at one, and so does what survives. */
export const KEYFRAME_INTERVAL_SEC = 0.5;
