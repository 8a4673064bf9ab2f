import { startOnGrid } from './span.ts';

export interface StitchInput {
  readonly path: string;
  /** Where in the file, counted from its first video frame, the common span begins; below 0 when the file begins later. */
  readonly offsetSec: number;
  /** How long after the start of the file (which may be audio) its first video frame comes. */
  readonly leadSec: number;
  readonly fps: number;
  /** What its frames are scaled to, when the graph expects another size. */
  readonly scaledTo?: Size;
}

/** The place of a view when its camera recorded nothing. */
export interface BlackInput {
  /** As large as its frames would be. */
  readonly black: Size;
}

export type ViewInput = StitchInput | BlackInput;

interface Size {
  readonly width: number;
  readonly height: number;
}

/** How views become one picture. */
export interface Graph {
  /** Still pictures, the inputs after the views. */
  readonly stills: readonly string[];
  /** The graph behind the views, which arrive as `chains` without a label; it ends in `[panorama]`. */
  readonly filters: (chains: readonly string[]) => string;
}

export interface Encoding {
  readonly codec: 'h264' | 'h265';
  readonly preset: string;
}

export interface StitchPlan {
  /** From left to right. */
  readonly inputs: readonly ViewInput[];
  readonly graph: Graph;
  readonly fps: number;
  /** Of the common grid, whose frame 0 is at the start of the span. */
  readonly firstFrame: number;
  readonly frames: number;
  readonly encoding: Encoding;
  readonly output: string;
}

/** Constant quality; 23 is the encoder's own default, lower is better. */
const CRF = '20';
const KEY_FRAME_EVERY_SEC = 2;
const QUIET = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'warning', '-y'];

/**
 * Arguments of ffmpeg for a stretch of the panorama: every view put on the common grid, made one picture, encoded.
 * Progress comes on stdout.
 */
export function stitchArguments(plan: StitchPlan): string[] {
  const { inputs, graph, fps, firstFrame, frames, encoding, output } = plan;
  return [
    ...[...QUIET, '-progress', 'pipe:1'],
    ...inputs.flatMap((input) => inputArguments(input, fps, firstFrame, frames)),
    ...graph.stills.flatMap((still) => ['-f', 'image2', '-i', still]),
    ...['-filter_complex', graph.filters(inputs.map((input, n) => gridChain(n, input, fps, firstFrame)))],
    ...['-map', '[panorama]', '-an', '-frames:v', String(frames)],
    ...encoderArguments(encoding, fps),
    ...['-f', 'mp4', output],
  ];
}

/** Arguments that join segments into one file without encoding anything again. `list` is what `concatList` wrote. */
export function joinArguments(list: string, codec: Encoding['codec'], output: string): string[] {
  return [
    ...[...QUIET, '-f', 'concat', '-safe', '0', '-i', list, '-map', '0:v:0', '-c', 'copy'],
    ...(codec === 'h265' ? ['-tag:v', 'hvc1'] : []),
    ...['-movflags', '+faststart', '-f', 'mp4', output],
  ];
}

/** The script of ffmpeg's concat demuxer. The lengths are stated, so that no rounding of a file's own adds up. */
export function concatList(
  segments: readonly { readonly file: string; readonly frames: number }[],
  fps: number,
): string {
  const lines = segments.map(
    ({ file, frames }) => `file '${file.replaceAll("'", "'\\''")}'\nduration ${seconds(frames / fps)}\n`,
  );
  return `ffconcat version 1.0\n${lines.join('')}`;
}

/** Arguments that write one frame of the grid: as raw 4:2:0, and its luma as a picture. */
export function momentArguments(
  input: StitchInput,
  fps: number,
  frame: number,
  size: Size,
  files: { readonly raw: string; readonly luma: string },
): string[] {
  const scaled = `${gridChain(0, input, fps, frame)},scale=${size.width}:${size.height}:flags=area,format=yuv420p`;
  return [
    ...[...QUIET, ...inputArguments(input, fps, frame, 1)],
    ...['-filter_complex', `${scaled},split[raw][all];[all]extractplanes=y[luma]`],
    ...['-map', '[raw]', '-frames:v', '1', '-f', 'rawvideo', files.raw],
    ...['-map', '[luma]', '-frames:v', '1', '-f', 'image2', '-update', '1', files.luma],
  ];
}

export const seconds = (value: number): string => value.toFixed(6);

function inputArguments(input: ViewInput, fps: number, firstFrame: number, frames: number): string[] {
  if ('black' in input) {
    const { width, height } = input.black;
    const source = `color=c=black:s=${width}x${height}:r=${fps},format=yuv420p,trim=end_frame=${frames}`;
    return ['-f', 'lavfi', '-i', source];
  }
  return ['-ss', seconds(seekOf(input, fps, firstFrame)), '-i', input.path];
}

/** A view on the common grid: frame `firstFrame` comes first, at time 0. */
function gridChain(index: number, input: ViewInput, fps: number, firstFrame: number): string {
  if ('black' in input) return `[${index}:v:0]null`;
  const shift = placeOf(input, fps, firstFrame) - seekOf(input, fps, firstFrame);
  const { scaledTo } = input;
  const scale = scaledTo ? `,scale=${scaledTo.width}:${scaledTo.height}:flags=bicubic` : '';
  return `[${index}:v:0]setpts=PTS-${seconds(shift)}/TB,fps=${fps}:start_time=0:round=near${scale}`;
}

/** Where in the file a frame of the grid is. */
function placeOf(input: StitchInput, fps: number, frame: number): number {
  return input.leadSec + startOnGrid(input.offsetSec, input.fps) + frame / fps;
}

/**
 * A little before the first frame that is wanted, so that the frame nearest to it is among those decoded; the rest of the
 * way is gone by time stamps.
 */
function seekOf(input: StitchInput, fps: number, frame: number): number {
  return Math.max(0, placeOf(input, fps, frame) - 2 / fps);
}

function encoderArguments({ codec, preset }: Encoding, fps: number): string[] {
  const encoder =
    codec === 'h264'
      ? ['-c:v', 'libx264']
      : ['-c:v', 'libx265', '-tag:v', 'hvc1', '-x265-params', 'log-level=error'];
  return [
    ...[...encoder, '-preset', preset, '-crf', CRF, '-pix_fmt', 'yuv420p'],
    ...['-g', String(Math.round(KEY_FRAME_EVERY_SEC * fps))],
  ];
}
