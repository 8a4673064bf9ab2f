import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Frame } from '#domain/panorama/exposure.ts';
import { momentArguments, type StitchInput } from '#domain/panorama/ffmpeg-arguments.ts';
import { runJobProgram } from '#ports/program/job-program.ts';

/** One moment of a match: a frame of each camera, from left to right. */
export interface Moment {
  readonly frame: number;
  readonly frames: readonly Frame[];
  /** The luma of each as a picture, in `folder`. */
  readonly files: readonly string[];
  readonly folder: string;
}

export interface MomentsParts {
  readonly ffmpegPath: string;
  /** Of the stretch that the moment is in. */
  readonly inputs: readonly StitchInput[];
  /** Of each camera's frames here. */
  readonly sizes: readonly { readonly width: number; readonly height: number }[];
  readonly fps: number;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** What the cameras are compared at: wider pictures take longer and give the same angles to a hundredth of a degree. */
const WIDTH_MAX = 1280;

/** The size of a camera's frames when cameras are compared; even, in the camera's proportions. */
export function momentSize(camera: { readonly width: number; readonly height: number }): {
  width: number;
  height: number;
} {
  const factor = Math.min(1, WIDTH_MAX / camera.width);
  const even = (value: number): number => 2 * Math.round((value * factor) / 2);
  return { width: even(camera.width), height: even(camera.height) };
}

/** Frames between a moment and a border of stretches, if they are that long: who has just started is still finding its exposure. */
const BORDER_FRAMES = 60;

/** Frames of the grid, spread over all the stretches, away from the ends of the whole and from borders. */
export function momentFrames(
  stretches: readonly { readonly firstFrame: number; readonly frames: number }[],
  count: number,
): number[] {
  const total = stretches.reduce((sum, { frames }) => sum + frames, 0);
  const all = Array.from({ length: count }, (_, index) => {
    let rest = Math.floor((total * (index + 0.5)) / count);
    for (const { firstFrame, frames } of stretches) {
      const margin = stretches.length > 1 ? Math.min(BORDER_FRAMES, Math.floor(frames / 4)) : 0;
      if (rest < frames) return [firstFrame + Math.min(frames - 1 - margin, Math.max(margin, rest))];
      rest -= frames;
    }
    return [];
  });
  return [...new Set(all.flat())];
}

/** Takes the frames of one moment out of the recordings. Throws what ffmpeg throws, and `job_failed` when it gave no frame. */
export async function takeMoment(parts: MomentsParts, frame: number): Promise<Moment> {
  const folder = join(parts.folder, `moment-${frame}`);
  await mkdir(folder, { recursive: true });
  const frames: Frame[] = [];
  const files: string[] = [];
  for (const [index, input] of parts.inputs.entries()) {
    const size = parts.sizes[index] ?? { width: 0, height: 0 };
    const raw = join(folder, `${index}.yuv`);
    const luma = `${index}.pgm`;
    await runJobProgram({
      path: parts.ffmpegPath,
      args: momentArguments(input, parts.fps, frame, size, { raw, luma: join(folder, luma) }),
      signal: parts.signal,
      onLogLine: parts.log,
    });
    frames.push(planes(await readFile(raw), size, input.path));
    files.push(luma);
  }
  return { frame, frames, files, folder };
}

function planes(bytes: Buffer, { width, height }: { width: number; height: number }, path: string): Frame {
  const luma = width * height;
  const chroma = luma / 4;
  if (bytes.length !== luma + 2 * chroma)
    throw new TouchlineError('job_failed', `${path} gave no frame where one was looked for`);
  return {
    y: bytes.subarray(0, luma),
    u: bytes.subarray(luma, luma + chroma),
    v: bytes.subarray(luma + chroma),
  };
}
