import type { SensorMode } from '#domain/ladder/ladder.ts';

/** What `v4l2-ctl` prints of a device (utils/v4l2-ctl of v4l-utils), as data. */

export interface V4l2Mode extends SensorMode {
  /** Four characters, such as `YUYV`, `MJPG`, `H264`. */
  readonly fourcc: string;
}

const FORMAT = /^\s*\[\d+\]: '(.{4})'/;
const SIZE = /Size: Discrete (\d+)x(\d+)/;
const INTERVAL = /Interval: Discrete .*\(([\d.]+) fps\)/;

/** Modes of `--list-formats-ext`: sizes with a rate. Sizes that the driver gives as a range have none here. */
export function parseFormats(text: string): V4l2Mode[] {
  const modes: V4l2Mode[] = [];
  let fourcc = '';
  let size: { width: number; height: number } | undefined;
  for (const line of text.split('\n')) {
    const format = FORMAT.exec(line)?.[1];
    if (format !== undefined) {
      fourcc = format;
      size = undefined;
    }
    const [, width, height] = SIZE.exec(line) ?? [];
    if (width !== undefined && height !== undefined) size = { width: Number(width), height: Number(height) };
    const fps = INTERVAL.exec(line)?.[1];
    if (size && fps !== undefined) modes.push({ ...size, fps: Number(fps), fourcc });
  }
  return modes;
}

/** The mode that is set now, from `--get-fmt-video --get-parm`: that of a device whose signal decides, such as HDMI. */
export function parseCurrent(text: string): V4l2Mode | undefined {
  const [, width, height] = /Width\/Height\s*: (\d+)\/(\d+)/.exec(text) ?? [];
  const fourcc = /Pixel Format\s*: '(.{4})'/.exec(text)?.[1];
  const fps = /Frames per second: ([\d.]+)/.exec(text)?.[1];
  if (width === undefined || height === undefined || fourcc === undefined || fps === undefined)
    return undefined;
  return { width: Number(width), height: Number(height), fps: Number(fps), fourcc };
}

/** ffmpeg's names of the formats that it takes from V4L2. */
const INPUT_FORMAT: Record<string, string> = {
  H264: 'h264',
  MJPG: 'mjpeg',
  JPEG: 'mjpeg',
  YUYV: 'yuyv422',
  UYVY: 'uyvy422',
  YU12: 'yuv420p',
  NV12: 'nv12',
  '422P': 'yuv422p',
  BGR3: 'bgr24',
  RGB3: 'rgb24',
};

export function inputFormat(fourcc: string): string | undefined {
  return INPUT_FORMAT[fourcc];
}

/** The best way to get a picture: as it is rather than as MJPEG, which costs quality and a decoder. */
export function sourceFor(
  modes: readonly V4l2Mode[],
  picture: { width: number; height: number; fps: number },
): V4l2Mode | undefined {
  const able = modes.filter(
    ({ width, height, fps, fourcc }) =>
      width === picture.width &&
      height === picture.height &&
      fps + 0.01 >= picture.fps &&
      fourcc !== 'H264' &&
      inputFormat(fourcc) !== undefined,
  );
  return able.find(({ fourcc }) => inputFormat(fourcc) !== 'mjpeg') ?? able[0];
}
