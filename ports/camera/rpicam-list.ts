import type { SensorMode } from '#domain/ladder/ladder.ts';

/** What `rpicam-vid --list-cameras` prints (core/options.cpp of rpicam-apps), as data. */

export interface RpicamMode extends SensorMode {
  /** As the option `--mode` takes it, such as `2304:1296:10:P`. */
  readonly option: string;
  /** How much of the sensor it shows, pixels of the sensor. */
  readonly cropArea: number;
}

export interface RpicamCamera {
  /** As `--camera` counts. */
  readonly number: number;
  /** Such as `imx708_wide`. */
  readonly model: string;
  readonly modes: readonly RpicamMode[];
}

const CAMERA = /^(\d+) : (\S+) /;
const FORMAT = /'([^']+)' : /;
const MODE = /(\d+)x(\d+) \[([\d.]+) fps - \(\d+, \d+\)\/(\d+)x(\d+) crop\]/;

/** The cameras of a listing; a mode whose rate the driver does not tell is left out. */
export function parseCameraList(text: string): RpicamCamera[] {
  const cameras: { number: number; model: string; modes: RpicamMode[] }[] = [];
  let format = '';
  for (const line of text.split('\n')) {
    const [, number, model] = CAMERA.exec(line) ?? [];
    if (number !== undefined && model !== undefined)
      cameras.push({ number: Number(number), model, modes: [] });
    format = FORMAT.exec(line)?.[1] ?? format;
    const found = MODE.exec(line)?.slice(1);
    if (!found) continue;
    const [width = 0, height = 0, fps = 0, cropWidth = 0, cropHeight = 0] = found.map(Number);
    cameras.at(-1)?.modes.push({
      width,
      height,
      fps,
      cropArea: cropWidth * cropHeight,
      option: option(width, height, format),
    });
  }
  return cameras;
}

/** `SRGGB10_CSI2P` → ten bits, packed. */
function option(width: number, height: number, format: string): string {
  const bits = /(\d+)/.exec(format)?.[1] ?? '10';
  return `${width}:${height}:${bits}:${format.endsWith('_CSI2P') ? 'P' : 'U'}`;
}

/**
 * The mode to read for a picture: one that holds it and is fast enough, showing as much of the sensor as any (a crop would change what a
 * calibration knows), and among those the one with the fewest pixels to read.
 */
export function modeFor(
  modes: readonly RpicamMode[],
  picture: { width: number; height: number; fps: number },
): RpicamMode | undefined {
  return modes
    .filter(
      ({ width, height, fps }) =>
        width >= picture.width && height >= picture.height && fps + 0.01 >= picture.fps,
    )
    .sort((a, b) => b.cropArea - a.cropArea || a.width * a.height - b.width * b.height)[0];
}
