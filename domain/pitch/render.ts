import { type RectilinearCamera, rayOf } from '../camera-geometry/rectilinear.ts';
import { type Development, develop, EVEN_EXPOSURE, type Exposure } from './exposure.ts';
import { type Colour, GROUND_ENDS_M, type GroundPatch, shadeGround } from './ground.ts';
import { MAST, PITCH } from './measures.ts';
import { blankPicture, type Picture } from './picture.ts';
import { type Hit, lookAround, lookFar, SHADES, type Surface } from './surroundings.ts';

/** `plain`: an even green below an even sky, without lines: nothing that a feature could be found on. */
export type Texture = 'grass' | 'plain';

export interface PitchOptions {
  readonly texture?: Texture;
  readonly exposure?: Partial<Exposure>;
  /** Another seed is another ground, with the same lines. */
  readonly seed?: number;
}

/** Where neighbouring pixels see different surfaces, this many by this many lines of sight make one pixel. */
const EDGE_SAMPLES = 3;
const PLAIN = { ground: [72, 118, 58], sky: [206, 212, 216] } as const;

/** A football pitch as a camera on the mast sees it. Width and height must be even. */
export function renderPitch(camera: RectilinearCamera, options: PitchOptions = {}): Picture {
  const steps = renderPitchInSteps(camera, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The same in steps of two rows, for those who have something else to do in between. */
export function* renderPitchInSteps(
  camera: RectilinearCamera,
  { texture = 'grass', exposure = {}, seed = 1 }: PitchOptions = {},
): Generator<void, Picture> {
  const { width, height } = camera;
  const picture = blankPicture(width, height);
  const development = develop(camera, { ...EVEN_EXPOSURE, ...exposure });
  const eye = texture === 'plain' ? plainEye(camera) : grassEye(camera, seed);
  const surfaces = [-1, 0, 1, 2].map((y) => eye.surfaces(y));
  for (let row = 0; row < height; row += 2) {
    drawTwoRows(picture, row, eye, surfaces, development);
    surfaces.splice(0, 2);
    surfaces.push(eye.surfaces(row + 3), eye.surfaces(row + 4));
    yield;
  }
  return picture;
}

/** Sees single lines of sight. */
interface Eye {
  /** What each pixel of a row sees, as numbers that differ when the surfaces do. */
  surfaces(y: number): Int32Array;
  colourAt(x: number, y: number, colour: Colour): void;
}

function drawTwoRows(
  picture: Picture,
  row: number,
  eye: Eye,
  surfaces: readonly Int32Array[],
  development: Development,
): void {
  const { width } = picture;
  const colour = new Float64Array(3);
  const one = new Float64Array(3);
  const chroma = new Float64Array(2);
  for (let x = 0; x < width; x += 2) {
    let blue = 0;
    let red = 0;
    for (let down = 0; down < 2; down++)
      for (let right = 0; right < 2; right++) {
        if (isEdge(surfaces, down + 1, x + right)) {
          colour.fill(0);
          for (let sample = 0; sample < EDGE_SAMPLES * EDGE_SAMPLES; sample++) {
            const offX = ((sample % EDGE_SAMPLES) + 0.5) / EDGE_SAMPLES - 0.5;
            const offY = (Math.floor(sample / EDGE_SAMPLES) + 0.5) / EDGE_SAMPLES - 0.5;
            eye.colourAt(x + right + offX, row + down + offY, one);
            for (let n = 0; n < 3; n++) colour[n] = (colour[n] ?? 0) + (one[n] ?? 0) / EDGE_SAMPLES ** 2;
          }
        } else eye.colourAt(x + right, row + down, colour);
        picture.y[(row + down) * width + x + right] = development.luma(x + right, row + down, colour, chroma);
        blue += chroma[0] ?? 0;
        red += chroma[1] ?? 0;
      }
    const place = (row / 2) * (width / 2) + x / 2;
    picture.u[place] = Math.round(128 + blue / 4);
    picture.v[place] = Math.round(128 + red / 4);
  }
}

function isEdge(surfaces: readonly Int32Array[], row: number, x: number): boolean {
  const line = surfaces[row];
  const own = line?.[x];
  return (
    (surfaces[row - 1]?.[x] ?? own) !== own ||
    (surfaces[row + 1]?.[x] ?? own) !== own ||
    (line?.[x - 1] ?? own) !== own ||
    (line?.[x + 1] ?? own) !== own
  );
}

const SURFACES: readonly Surface[] = ['ground', 'board', 'goal', 'stand', 'trees', 'house', 'sky'];

function grassEye(camera: RectilinearCamera, seed: number): Eye {
  const { width } = camera;
  // One of each for all pixels: there are millions.
  const hit: Hit = { surface: 'sky', along: 0, above: 0, reach: 0, number: 0 };
  const patch: GroundPatch = { x: 0, y: 0, reachX: 0, reachY: 0 };
  const origin = rayOf(camera, 0, 0);
  const nextX = minus(rayOf(camera, 1, 0), origin);
  const nextY = minus(rayOf(camera, 0, 1), origin);
  const pixelAngle = Math.hypot(nextX.right, nextX.ahead, nextX.up);
  const see = (column: number, row: number): void => {
    const right = origin.right + column * nextX.right + row * nextY.right;
    const ahead = origin.ahead + column * nextX.ahead + row * nextY.ahead;
    const up = origin.up + column * nextX.up + row * nextY.up;
    const toGround = up < 0 ? MAST.heightM / -up : Number.POSITIVE_INFINITY;
    const x = right * toGround;
    const y = ahead * toGround - MAST.beforeTouchlineM;
    // Everything that stands, stands around the pitch.
    if (
      (Math.abs(x) < PITCH.lengthM / 2 && y < PITCH.widthM) ||
      !lookAround(right, ahead, up, pixelAngle, hit)
    ) {
      if (x ** 2 + (y + MAST.beforeTouchlineM) ** 2 < GROUND_ENDS_M ** 2) {
        hit.surface = 'ground';
        hit.number = 0;
        hit.along = x;
        hit.above = y;
        hit.reach = toGround;
      } else lookFar(right, ahead, up, pixelAngle / Math.hypot(right, ahead, up), seed, hit);
    }
  };
  return {
    surfaces(y) {
      const numbers = new Int32Array(width);
      for (let x = 0; x < width; x++) {
        see(x, y);
        numbers[x] = hit.number * SURFACES.length + SURFACES.indexOf(hit.surface);
      }
      return numbers;
    },
    colourAt(x, y, colour) {
      see(x, y);
      if (hit.surface !== 'ground') {
        SHADES[hit.surface](hit, seed, colour);
        return;
      }
      const { along, above, reach } = hit;
      const perUpX = nextX.up * (reach / MAST.heightM);
      const perUpY = nextY.up * (reach / MAST.heightM);
      const ahead = above + MAST.beforeTouchlineM;
      patch.x = along;
      patch.y = above;
      patch.reachX =
        Math.abs(reach * nextX.right + along * perUpX) + Math.abs(reach * nextY.right + along * perUpY);
      patch.reachY =
        Math.abs(reach * nextX.ahead + ahead * perUpX) + Math.abs(reach * nextY.ahead + ahead * perUpY);
      shadeGround(patch, seed, colour);
    },
  };
}

function plainEye(camera: RectilinearCamera): Eye {
  const below = (x: number, y: number): boolean => rayOf(camera, x, y).up < 0;
  return {
    surfaces: (y) => Int32Array.from({ length: camera.width }, (_, x) => (below(x, y) ? 0 : 1)),
    colourAt: (x, y, colour) => colour.set(below(x, y) ? PLAIN.ground : PLAIN.sky),
  };
}

function minus(a: ReturnType<typeof rayOf>, b: ReturnType<typeof rayOf>) {
  return { right: a.right - b.right, ahead: a.ahead - b.ahead, up: a.up - b.up };
}
