import { pixelOf, type RectilinearCamera } from '../camera-geometry/rectilinear.ts';
import { type Cylinder, rayOfCylinder } from './cylinder.ts';

/** One frame of a camera, planar 4:2:0; the size is that of `camera` of the same index. */
export interface Frame {
  readonly y: Uint8Array;
  readonly u: Uint8Array;
  readonly v: Uint8Array;
}

/** What both cameras of a seam show at the same places, the same number of values in each. */
export interface Pairs {
  readonly left: Levels;
  readonly right: Levels;
}

export interface Levels {
  readonly y: number[];
  readonly u: number[];
  readonly v: number[];
}

/** A plane becomes `around + (level - around) * gain + offset`, `around` being black for luma and grey for chroma. */
export interface Correction {
  readonly gain: number;
  readonly offset: number;
}

export interface Correction420 {
  readonly y: Correction;
  readonly u: Correction;
  readonly v: Correction;
}

export const AROUND = { y: 16, u: 128, v: 128 } as const;
export const UNCHANGED: Correction420 = {
  y: { gain: 1, offset: 0 },
  u: { gain: 1, offset: 0 },
  v: { gain: 1, offset: 0 },
};

const PLANES = ['y', 'u', 'v'] as const;
/** Places that are compared, and the mean of this many pixels around each: views may be a few pixels apart. */
const COLUMNS = 24;
const ROWS = 48;
const AROUND_PX = 3;
/** What is burnt out or in the dark says nothing of a gain. */
const LUMA_USABLE = { min: 24, max: 228 } as const;
/** Below this spread of levels a gain and an offset cannot be told apart. */
const SPREAD_MIN = 4;
const GAIN_LIMIT = { min: 0.4, max: 2.5 } as const;
const PAIRS_MIN = 40;

/** What both cameras of a seam show in the strip where both see all rows; places that either shows too bright or too dark are left out. */
export function samplePairs(
  [left, right]: readonly [RectilinearCamera, RectilinearCamera],
  [leftFrame, rightFrame]: readonly [Frame, Frame],
  cylinder: Cylinder,
  columns: { readonly from: number; readonly to: number },
): Pairs {
  const pairs: Pairs = { left: { y: [], u: [], v: [] }, right: { y: [], u: [], v: [] } };
  for (let row = 0; row < ROWS; row++)
    for (let column = 0; column < COLUMNS; column++) {
      const x = columns.from + ((columns.to - columns.from) * (column + 0.5)) / COLUMNS;
      const ray = rayOfCylinder(cylinder, x, (cylinder.height * (row + 0.5)) / ROWS);
      const one = levelsAt(left, leftFrame, pixelOf(left, ray));
      const other = levelsAt(right, rightFrame, pixelOf(right, ray));
      if (!one || !other || !isUsable(one.y) || !isUsable(other.y)) continue;
      for (const plane of PLANES) {
        pairs.left[plane].push(one[plane]);
        pairs.right[plane].push(other[plane]);
      }
    }
  return pairs;
}

export function joinPairs(several: readonly Pairs[]): Pairs {
  const side = (of: 'left' | 'right'): Levels => ({
    y: several.flatMap((pairs) => pairs[of].y),
    u: several.flatMap((pairs) => pairs[of].u),
    v: several.flatMap((pairs) => pairs[of].v),
  });
  return { left: side('left'), right: side('right') };
}

/** Right minus left: the median difference of each plane. Null when too little can be compared. */
export function stepOf(
  { left, right }: Pairs,
  leftBy: Correction420 = UNCHANGED,
  rightBy: Correction420 = UNCHANGED,
): { y: number; u: number; v: number } | null {
  if (left.y.length < PAIRS_MIN) return null;
  const step = (plane: 'y' | 'u' | 'v'): number =>
    median(
      left[plane].map(
        (level, index) =>
          corrected(right[plane][index] ?? 0, plane, rightBy[plane]) - corrected(level, plane, leftBy[plane]),
      ),
    );
  return { y: step('y'), u: step('u'), v: step('v') };
}

/**
 * The correction that makes `mine` look like `theirs`: gain and offset of the least-squares line that treats both as
 * noisy (reduced major axis), and where the levels hardly differ, an offset (chroma) or a gain (luma) alone. Undefined when
 * too little can be compared.
 */
export function matchLevels(mine: Levels, theirs: Levels): Correction420 | undefined {
  if (mine.y.length < PAIRS_MIN) return undefined;
  const match = (plane: 'y' | 'u' | 'v'): Correction => {
    const [from, to] = trimmed(mine[plane], theirs[plane]);
    const around = AROUND[plane];
    const [fromMean, toMean] = [mean(from) - around, mean(to) - around];
    const [fromSpread, toSpread] = [deviation(from), deviation(to)];
    let gain = 1;
    if (fromSpread >= SPREAD_MIN && toSpread >= SPREAD_MIN) gain = toSpread / fromSpread;
    else if (plane === 'y' && fromMean > 0) gain = toMean / fromMean;
    gain = Math.min(GAIN_LIMIT.max, Math.max(GAIN_LIMIT.min, gain));
    return { gain, offset: toMean - gain * fromMean };
  };
  return { y: match('y'), u: match('u'), v: match('v') };
}

/** First `inner`, then `outer`, as one. */
export function afterwards(inner: Correction420, outer: Correction420): Correction420 {
  const chain = (a: Correction, b: Correction): Correction => ({
    gain: a.gain * b.gain,
    offset: a.offset * b.gain + b.offset,
  });
  return { y: chain(inner.y, outer.y), u: chain(inner.u, outer.u), v: chain(inner.v, outer.v) };
}

export function corrected(level: number, plane: 'y' | 'u' | 'v', { gain, offset }: Correction): number {
  return AROUND[plane] + (level - AROUND[plane]) * gain + offset;
}

function levelsAt(
  camera: RectilinearCamera,
  frame: Frame,
  at: { x: number; y: number } | undefined,
): { y: number; u: number; v: number } | undefined {
  if (!at) return undefined;
  const x = Math.round(at.x);
  const y = Math.round(at.y);
  if (x < AROUND_PX || y < AROUND_PX || x >= camera.width - AROUND_PX || y >= camera.height - AROUND_PX)
    return undefined;
  const stride = Math.ceil(camera.width / 2);
  const chroma = (plane: Uint8Array): number =>
    boxMean(plane, stride, Math.floor(x / 2), Math.floor(y / 2), 1, Math.ceil(camera.height / 2));
  return {
    y: boxMean(frame.y, camera.width, x, y, AROUND_PX, camera.height),
    u: chroma(frame.u),
    v: chroma(frame.v),
  };
}

function boxMean(
  plane: Uint8Array,
  stride: number,
  x: number,
  y: number,
  reach: number,
  rows: number,
): number {
  let sum = 0;
  let count = 0;
  for (let row = Math.max(0, y - reach); row <= Math.min(rows - 1, y + reach); row++)
    for (let column = Math.max(0, x - reach); column <= Math.min(stride - 1, x + reach); column++) {
      sum += plane[row * stride + column] ?? 0;
      count++;
    }
  return sum / count;
}

const isUsable = (luma: number): boolean => luma >= LUMA_USABLE.min && luma <= LUMA_USABLE.max;

/** Without the tenth of the pairs whose difference is furthest from the usual: players seen from two places, reflections. */
function trimmed(from: readonly number[], to: readonly number[]): [number[], number[]] {
  const usual = median(to.map((level, index) => level - (from[index] ?? 0)));
  const order = from
    .map((level, index) => ({ index, off: Math.abs((to[index] ?? 0) - level - usual) }))
    .sort((a, b) => a.off - b.off)
    .slice(0, Math.ceil(from.length * 0.9));
  return [order.map(({ index }) => from[index] ?? 0), order.map(({ index }) => to[index] ?? 0)];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, each) => sum + each, 0) / values.length;

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((each) => (each - middle) ** 2)));
}
