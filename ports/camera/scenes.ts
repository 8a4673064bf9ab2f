import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import { CLOCK_PATTERN, clockPatternRow } from '#domain/clock-pattern/clock-pattern.ts';
import type { Exposure } from '#domain/pitch/exposure.ts';
import type { Picture } from '#domain/pitch/picture.ts';
import { renderPitchInSteps } from '#domain/pitch/render.ts';
import { matchScene } from '#domain/pitch/scene.ts';
import type { RawFormat } from './matroska.ts';

/** What a test pattern shows, and how it becomes a picture: raw pictures that are made here, and what ffmpeg adds. */
export interface TestScene {
  readonly input: { readonly width: number; readonly height: number; readonly format: RawFormat };
  /** Arguments of ffmpeg between input and encoder. */
  readonly arguments: readonly string[];
  /** The raw picture of an instant (wall time, microseconds); valid until the next is asked for. */
  picture(wallUs: number): Uint8Array;
}

/** Moving bars made by ffmpeg, with the clock laid over them. */
export function barsScene(width: number, height: number, fps: number, hueDeg: number): TestScene {
  const strip = { width: CLOCK_PATTERN.widthPx, height: CLOCK_PATTERN.heightPx, format: 'Y800' } as const;
  const samples = new Uint8Array(strip.width * strip.height);
  const scene = `testsrc2=size=${width}x${height}:rate=${fps},hue=h=${hueDeg}[scene]`;
  // The strip is the first input of the overlay, so its time stamps are those of the result.
  const place = `[0:v]format=yuv420p,split[a][b];[a]pad=${width}:${height}[frame];[frame][scene]overlay=eof_action=endall:format=yuv420[picture];[picture][b]overlay=0:0`;
  return {
    input: strip,
    arguments: ['-filter_complex', `${scene};${place}`],
    picture(wallUs) {
      drawClock(samples, strip.width, wallUs);
      return samples;
    },
  };
}

/** A football match, as a camera on the mast sees it. */
export async function pitchScene(camera: RectilinearCamera, exposure: Exposure): Promise<TestScene> {
  const match = matchScene(camera, await emptyPitch(camera, exposure), exposure);
  return {
    input: { width: camera.width, height: camera.height, format: 'I420' },
    arguments: [
      '-colorspace',
      'bt709',
      '-color_primaries',
      'bt709',
      '-color_trc',
      'bt709',
      '-color_range',
      'tv',
    ],
    picture(wallUs) {
      const { samples, y, u, v } = match.pictureAt(wallUs);
      drawClock(y, camera.width, wallUs);
      for (const chroma of [u, v])
        for (let row = 0; row < CLOCK_PATTERN.heightPx / 2; row++)
          chroma.fill(128, (row * camera.width) / 2, (row * camera.width + CLOCK_PATTERN.widthPx) / 2);
      return samples;
    },
  };
}

/** Everything else in this process waits at most about this long while a pitch is drawn. */
const SLICE_MS = 6;
const pitches = new Map<string, Promise<Picture>>();

/** The pitch without players: drawn when it is first asked for, a slice at a time, and kept as long as the process lives. */
export function emptyPitch(camera: RectilinearCamera, exposure: Exposure): Promise<Picture> {
  const key = JSON.stringify([camera, exposure]);
  const pitch = pitches.get(key) ?? drawInSlices(camera, exposure);
  pitches.set(key, pitch);
  return pitch;
}

async function drawInSlices(camera: RectilinearCamera, exposure: Exposure): Promise<Picture> {
  const steps = renderPitchInSteps(camera, { exposure });
  for (;;) {
    await nextTurn();
    const untilMs = performance.now() + SLICE_MS;
    do {
      const step = steps.next();
      if (step.done) return step.value;
    } while (performance.now() < untilMs);
  }
}

function drawClock(luma: Uint8Array, stride: number, wallUs: number): void {
  const row = clockPatternRow(wallUs);
  for (let n = 0; n < CLOCK_PATTERN.heightPx; n++) luma.set(row, n * stride);
}
