/** What a video file shows when it is opened. Times in seconds. */
export interface VideoFacts {
  readonly width: number;
  readonly height: number;
  readonly durationSec: number;
  /** How long after the start of the file its first video frame comes. */
  readonly leadSec: number;
  /** Frames that the index names; null when it does not. */
  readonly frames: number | null;
}

/** Opens a video file. Rejects with `not_mp4` for what is none. */
export type Probe = (path: string) => Promise<VideoFacts>;
