import type { RectilinearCamera } from '../camera-geometry/rectilinear.ts';
import type { Colour } from './ground.ts';
import { hashOf } from './noise.ts';

/** How a camera renders light. */
export interface Exposure {
  /** Light let in, 1 as the scene is; 2 is one stop more. */
  readonly gain: number;
  /** White balance: gain of red and of blue on top of it. */
  readonly red: number;
  readonly blue: number;
  /** Light lost in the corners, 0 to 1. */
  readonly vignette: number;
  /** Standard deviation of the sensor's noise, luma levels. */
  readonly noise: number;
  /** Two cameras have different noise. */
  readonly noiseSeed: number;
}

export const EVEN_EXPOSURE: Exposure = { gain: 1, red: 1, blue: 1, vignette: 0, noise: 0, noiseSeed: 1 };

/** Turns colours into samples. */
export interface Development {
  /** Luma of the pixel (rounded); writes its chroma as distances from 128, blue then red. */
  luma(x: number, y: number, colour: Colour, chroma: Float64Array): number;
}

/** Encoded values rise with this power of the light. */
const ENCODING_POWER = 1 / 2.2;
/** Weights of red and blue in luma (ITU-R BT.709). */
const RED_WEIGHT = 0.2126;
const BLUE_WEIGHT = 0.0722;
/** The sum of two even numbers from 0 to 1 has this standard deviation. */
const PAIR_DEVIATION = Math.sqrt(1 / 6);

export function develop(camera: RectilinearCamera, exposure: Exposure): Development {
  const { width, height } = camera;
  const { gain, red, blue, vignette, noise, noiseSeed } = exposure;
  const middleX = (width - 1) / 2;
  const middleY = (height - 1) / 2;
  const cornerSquared = middleX ** 2 + middleY ** 2;
  const greenGain = gain ** ENCODING_POWER;
  const redGain = (gain * red) ** ENCODING_POWER;
  const blueGain = (gain * blue) ** ENCODING_POWER;
  return {
    luma(x, y, colour, chroma) {
      let light = 1;
      if (vignette > 0) {
        const share = ((x - middleX) ** 2 + (y - middleY) ** 2) / cornerSquared;
        light = (1 - vignette * share) ** ENCODING_POWER;
      }
      const r = clip(light * redGain * (colour[0] ?? 0));
      const g = clip(light * greenGain * (colour[1] ?? 0));
      const b = clip(light * blueGain * (colour[2] ?? 0));
      const luma = RED_WEIGHT * r + (1 - RED_WEIGHT - BLUE_WEIGHT) * g + BLUE_WEIGHT * b;
      chroma[0] = ((b - luma) / (2 - 2 * BLUE_WEIGHT)) * (224 / 255);
      chroma[1] = ((r - luma) / (2 - 2 * RED_WEIGHT)) * (224 / 255);
      const grain =
        noise > 0
          ? ((hashOf(x, y, noiseSeed) + hashOf(y, x, noiseSeed + 1) - 1) / PAIR_DEVIATION) * noise
          : 0;
      return Math.round(Math.max(16, Math.min(235, 16 + luma * (219 / 255) + grain)));
    },
  };
}

function clip(value: number): number {
  return Math.max(0, Math.min(255, value));
}
