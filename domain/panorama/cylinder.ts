import { type Ray, type RectilinearCamera, rayOf } from '../camera-geometry/rectilinear.ts';

/**
 * The surface that a panorama is unrolled from: columns are equal angles around the mast, rows are equal steps of height
 * at distance 1 (the tangent of the elevation), so upright things stay upright and the horizon is a straight line.
 */
export interface Cylinder {
  readonly width: number;
  readonly height: number;
  /** Pixels per radian in a row, and per unit of height in a column. */
  readonly focalPx: number;
  /** Angle of the left edge, to the right of yaw 0. */
  readonly leftRad: number;
  /** Height of the upper edge at distance 1. */
  readonly top: number;
}

/** Columns of the panorama, `to` excluded. All are even: 4:2:0 video has one chroma sample for two pixels. */
export interface Columns {
  readonly from: number;
  readonly to: number;
}

export interface CylinderPlan {
  readonly cylinder: Cylinder;
  /** What each camera is asked for, blends included. */
  readonly regions: readonly Columns[];
  /** Where neighbours are blended; one less than there are cameras. */
  readonly seams: readonly Columns[];
}

export interface CylinderOptions {
  /** Width of a blend that is wished for, pixels; never more than half of what both cameras see. */
  readonly seamPx: number;
  /** Whose sharpness the panorama has in its middle. */
  readonly reference: number;
  /** Rows at the top of each camera's picture that are not to be shown. */
  readonly hiddenRows?: readonly number[];
  /** Width of the panorama, pixels; as sharp as the reference camera when left out. */
  readonly width?: number | undefined;
}

/** Encoders and players take no wider picture. */
const WIDTH_MAX = 16_384;
/** How much of the outer part of an outer view may be given up where that makes the picture higher. */
const TRIM_MAX = 0.3;
/** Columns that are looked at to find the rows, per panorama. */
const PROBES = 2000;
const SEAM_SHARE_MAX = 0.5;
const even = (value: number): number => 2 * Math.round(value / 2);
const evenDown = (value: number): number => 2 * Math.floor(value / 2);

/** Heights at distance 1 that a camera sees in one direction; empty when `low` is not below `high`. */
interface Heights {
  readonly low: number;
  readonly high: number;
}

/**
 * The largest upright rectangle of the cylinder that cameras, from left to right, see whole, with a blend in the middle of
 * each overlap. Throws `RangeError` when neighbours see nothing in common.
 */
export function planCylinder(
  cameras: readonly RectilinearCamera[],
  { seamPx, reference, hiddenRows = [], width: wishedWidth }: CylinderOptions,
): CylinderPlan {
  const views = cameras.map((camera, index) => pyramidOf(camera, hiddenRows[index] ?? 0));
  const seen = cameras.map((camera) => ({ from: edgeRad(camera, 0), to: edgeRad(camera, camera.width - 1) }));
  const first = seen[0];
  const last = seen.at(-1);
  const lead = cameras[reference];
  if (!first || !last || !lead) throw new RangeError('there are no cameras');
  const nativePx = lead.width / 2 / Math.tan((lead.hfovDeg * Math.PI) / 360);

  const seamsRad = seen.slice(1).map((right, index) => {
    const left = seen[index] ?? first;
    const common = left.to - right.from;
    if (common <= 0) throw new RangeError('neighbouring cameras see nothing in common');
    const half = Math.min(seamPx / nativePx, common * SEAM_SHARE_MAX) / 2;
    const middle = (left.to + right.from) / 2;
    return { from: middle - half, to: middle + half };
  });

  const covered = (angle: number): Heights => {
    const before = seamsRad.filter((seam) => angle > seam.to).length;
    const inSeam = seamsRad[before] !== undefined && angle >= (seamsRad[before]?.from ?? 0);
    const owners = inSeam ? [views[before], views[before + 1]] : [views[before]];
    return owners.reduce<Heights>((heights, view) => both(heights, view?.(angle) ?? NOTHING), EVERYTHING);
  };
  const { fromRad, toRad, heights } = rectangle(covered, first, last, seamsRad);

  const spanRad = toRad - fromRad;
  const focalPx = Math.min(wishedWidth === undefined ? nativePx : wishedWidth / spanRad, WIDTH_MAX / spanRad);
  const width = evenDown(spanRad * focalPx + 1e-6);
  const height = evenDown((heights.high - heights.low) * focalPx);
  const columnOf = (angle: number): number => (angle - fromRad) * focalPx;
  const seams = seamsRad.map(({ from, to }) => {
    const middle = columnOf((from + to) / 2);
    const half = Math.max(1, Math.floor((columnOf(to) - columnOf(from)) / 4)) * 2;
    return { from: even(middle) - half, to: even(middle) + half };
  });
  return {
    cylinder: { width, height, focalPx, leftRad: fromRad, top: heights.high },
    regions: cameras.map((_, index) => ({
      from: seams[index - 1]?.from ?? 0,
      to: seams[index]?.to ?? width,
    })),
    seams,
  };
}

/** Direction of a position on the cylinder, pixel (0, 0) being the middle of the top left pixel. */
export function rayOfCylinder({ leftRad, top, focalPx }: Cylinder, x: number, y: number): Ray {
  const angle = leftRad + (x + 0.5) / focalPx;
  return { right: Math.sin(angle), ahead: Math.cos(angle), up: top - (y + 0.5) / focalPx };
}

/** Where a direction is on the cylinder. */
export function pixelOfCylinder({ leftRad, top, focalPx }: Cylinder, ray: Ray): { x: number; y: number } {
  const angle = Math.atan2(ray.right, ray.ahead);
  const height = ray.up / Math.hypot(ray.right, ray.ahead);
  return { x: (angle - leftRad) * focalPx - 0.5, y: (top - height) * focalPx - 0.5 };
}

const NOTHING: Heights = { low: 0, high: 0 };
const EVERYTHING: Heights = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
const both = (a: Heights, b: Heights): Heights => ({
  low: Math.max(a.low, b.low),
  high: Math.min(a.high, b.high),
});

/** Angle of the left or right edge of a picture, in the middle of its height. */
function edgeRad(camera: RectilinearCamera, x: number): number {
  const ray = rayOf(camera, x, (camera.height - 1) / 2);
  return Math.atan2(ray.right, ray.ahead);
}

/**
 * What a camera sees, as a function of the angle: the four planes through its edges bound a pyramid, and each bounds the heights
 * of one direction from above or from below.
 */
function pyramidOf(camera: RectilinearCamera, top: number): (angle: number) => Heights {
  const right = camera.width - 1;
  const bottom = camera.height - 1;
  const corners = [
    rayOf(camera, 0, top),
    rayOf(camera, right, top),
    rayOf(camera, right, bottom),
    rayOf(camera, 0, bottom),
  ] as const;
  const inside = rayOf(camera, right / 2, bottom / 2);
  const planes = corners.map((corner, index) => {
    const normal = cross(corner, corners[(index + 1) % 4] ?? corner);
    return dot(normal, inside) >= 0 ? normal : scaled(normal, -1);
  });
  return (angle) => {
    let low = Number.NEGATIVE_INFINITY;
    let high = Number.POSITIVE_INFINITY;
    for (const plane of planes) {
      const level = plane.right * Math.sin(angle) + plane.ahead * Math.cos(angle);
      if (plane.up > 0) low = Math.max(low, -level / plane.up);
      else if (plane.up < 0) high = Math.min(high, -level / plane.up);
      else if (level < 0) return NOTHING;
    }
    return { low, high };
  };
}

/** The rectangle of most area between the outer edges, at most `TRIM_MAX` of an outer view given up on each side. */
function rectangle(
  covered: (angle: number) => Heights,
  first: { from: number; to: number },
  last: { from: number; to: number },
  seams: readonly { from: number; to: number }[],
): { fromRad: number; toRad: number; heights: Heights } {
  const step = (last.to - first.from) / PROBES;
  const innerFrom = Math.min(seams[0]?.from ?? first.to, first.from + (first.to - first.from) * TRIM_MAX);
  const innerTo = Math.max(seams.at(-1)?.to ?? last.from, last.to - (last.to - last.from) * TRIM_MAX);
  let inner = EVERYTHING;
  for (let angle = innerFrom; angle < innerTo; angle += step) inner = both(inner, covered(angle));
  inner = both(inner, covered(innerTo));

  const leftSide = outward(covered, innerFrom, -step, first.from);
  const rightSide = outward(covered, innerTo, step, last.to);
  let best = { area: 0, fromRad: innerFrom, toRad: innerTo, heights: inner };
  for (const left of leftSide)
    for (const right of rightSide) {
      const heights = both(inner, both(left.heights, right.heights));
      const area = Math.max(0, heights.high - heights.low) * (right.angle - left.angle);
      if (area > best.area) best = { area, fromRad: left.angle, toRad: right.angle, heights };
    }
  if (best.area <= 0) throw new RangeError('there is no row that all cameras see');
  return best;
}

/** What is seen from an inner angle out to each further one. */
function outward(
  covered: (angle: number) => Heights,
  start: number,
  step: number,
  end: number,
): { angle: number; heights: Heights }[] {
  let heights = EVERYTHING;
  const found = [{ angle: start, heights }];
  const count = Math.floor(Math.abs((end - start) / step));
  for (let n = 1; n <= count; n++) {
    const angle = start + n * step;
    heights = both(heights, covered(angle));
    found.push({ angle, heights });
  }
  return found;
}

function cross(a: Ray, b: Ray): Ray {
  return {
    right: a.ahead * b.up - a.up * b.ahead,
    ahead: a.up * b.right - a.right * b.up,
    up: a.right * b.ahead - a.ahead * b.right,
  };
}

const dot = (a: Ray, b: Ray): number => a.right * b.right + a.ahead * b.ahead + a.up * b.up;
const scaled = (a: Ray, factor: number): Ray => ({
  right: a.right * factor,
  ahead: a.ahead * factor,
  up: a.up * factor,
});
