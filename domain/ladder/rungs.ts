import type { VideoCodec } from '#contracts/manifest.ts';

/** The rungs of the encoder ladder: one way each to make video out of pictures. */

export interface Rung {
  readonly name: string;
  readonly codec: VideoCodec;
  /** Processor time per picture at 3840x2160, relative to `x264-ultrafast` (measured on x86 with ffmpeg 5.1). */
  readonly cost: number;
}

/** Best first at equal picture size. */
export const RUNGS = [
  { name: 'x265-ultrafast', codec: 'h265', cost: 4.4 },
  { name: 'x264-superfast', codec: 'h264', cost: 2.1 },
  { name: 'x264-ultrafast', codec: 'h264', cost: 1 },
  { name: 'mjpeg-q8', codec: 'mjpeg', cost: 0.8 },
] as const satisfies readonly Rung[];

export type EncodingRung = (typeof RUNGS)[number]['name'];

/** The stream comes encoded: nothing to sustain. */
export const COPY = 'copy';

export function rungNamed(name: string): Rung | undefined {
  return RUNGS.find((rung) => rung.name === name);
}

/** One way to record: a picture, and the rung that makes it. */
export interface LadderProfile {
  readonly width: number;
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  readonly codec: VideoCodec;
  /** Mbit/s. */
  readonly bitrateMbps: number;
  /** The name of one of `RUNGS`, or `copy`. */
  readonly rung: string;
}

/** What a profile asks of the machine: pixels per second, weighted by the cost of its rung. */
export function loadOf({ width, height, fps, rung }: Omit<LadderProfile, 'codec' | 'bitrateMbps'>): number {
  return width * height * fps * (rungNamed(rung)?.cost ?? 0);
}

/** `x264-superfast 1920x1080@30`: names a profile in measurements. */
export function profileKey({ rung, width, height, fps }: LadderProfile): string {
  return `${rung} ${width}x${height}@${fps}`;
}
