import { pixelOf, type RectilinearCamera, rayOf } from '../camera-geometry/rectilinear.ts';
import type { ControlPoint } from './hugin-project.ts';

export interface Residuals {
  readonly count: number;
  readonly rmsPx: number;
  readonly maxPx: number;
}

/** Points of several moments closer than this, in both pictures, are the same detail. */
const SAME_PX = 2;
/** With this many details per seam that stood still from one moment to another, what moved is not needed. */
const STANDING_ENOUGH = 20;

/**
 * One list from the points of several moments. A detail found in more than one moment stands still and is no accident: where
 * there are enough of those between two cameras, only they are taken.
 */
export function mergeMoments(moments: readonly (readonly ControlPoint[])[]): ControlPoint[] {
  return groupBySeam(moments).flatMap((seam) => {
    const standing = seam.filter((each) => each.moments.size > 1);
    return (standing.length >= STANDING_ENOUGH ? standing : seam).map((each) => each.point);
  });
}

/** The details that were found in more than one moment. */
export function standingPoints(moments: readonly (readonly ControlPoint[])[]): ControlPoint[] {
  return groupBySeam(moments).flatMap((seam) =>
    seam.filter((each) => each.moments.size > 1).map((each) => each.point),
  );
}

function groupBySeam(
  moments: readonly (readonly ControlPoint[])[],
): { point: ControlPoint; moments: Set<number> }[][] {
  const found = new Map<string, { point: ControlPoint; moments: Set<number> }[]>();
  moments.forEach((points, moment) => {
    for (const point of points) {
      const key = `${point.left}-${point.right}`;
      const seam = found.get(key) ?? [];
      const same = seam.find((each) => isSame(each.point, point));
      if (same) same.moments.add(moment);
      else seam.push({ point, moments: new Set([moment]) });
      found.set(key, seam);
    }
  });
  return [...found.values()];
}

/**
 * How far the two rays of a control point are apart, as pixels of the left picture: where the right camera's detail
 * would be in it.
 */
export function residualPx(cameras: readonly RectilinearCamera[], point: ControlPoint): number {
  const left = cameras[point.left];
  const right = cameras[point.right];
  if (!left || !right) throw new RangeError(`there is no camera ${point.left} or ${point.right}`);
  const there = pixelOf(left, rayOf(right, point.rightX, point.rightY));
  return there ? Math.hypot(there.x - point.leftX, there.y - point.leftY) : Number.POSITIVE_INFINITY;
}

/** Residuals of the points between two cameras, or of all. Zero where there are none: look at `count`. */
export function residualsOf(
  cameras: readonly RectilinearCamera[],
  points: readonly ControlPoint[],
): Residuals {
  const all = points.map((point) => residualPx(cameras, point));
  const squares = all.reduce((sum, each) => sum + each * each, 0);
  return {
    count: all.length,
    rmsPx: all.length === 0 ? 0 : Math.sqrt(squares / all.length),
    maxPx: Math.max(0, ...all),
  };
}

/** Points between a camera and its right neighbour. */
export function pointsOfSeam(points: readonly ControlPoint[], left: number): ControlPoint[] {
  return points.filter((point) => point.left === left && point.right === left + 1);
}

/**
 * Without the points that do not fit the others: those further off than three times the median (and than `slackPx`) under cameras
 * that were fitted to all.
 */
export function withoutOutliers(
  cameras: readonly RectilinearCamera[],
  points: readonly ControlPoint[],
  slackPx: number,
): ControlPoint[] {
  const seams = new Map<string, { point: ControlPoint; px: number }[]>();
  for (const point of points) {
    const key = `${point.left}-${point.right}`;
    seams.set(key, [...(seams.get(key) ?? []), { point, px: residualPx(cameras, point) }]);
  }
  return [...seams.values()].flatMap((seam) => {
    const median = seam.map(({ px }) => px).sort((a, b) => a - b)[Math.floor(seam.length / 2)] ?? 0;
    return seam.filter(({ px }) => px <= Math.max(3 * median, slackPx)).map(({ point }) => point);
  });
}

/** The same points in pictures of another size. */
export function scalePoints(points: readonly ControlPoint[], factors: readonly number[]): ControlPoint[] {
  const scale = (value: number, camera: number): number => (value + 0.5) * (factors[camera] ?? 1) - 0.5;
  return points.map((point) => ({
    ...point,
    leftX: scale(point.leftX, point.left),
    leftY: scale(point.leftY, point.left),
    rightX: scale(point.rightX, point.right),
    rightY: scale(point.rightY, point.right),
  }));
}

function isSame(a: ControlPoint, b: ControlPoint): boolean {
  return (
    Math.abs(a.leftX - b.leftX) < SAME_PX &&
    Math.abs(a.leftY - b.leftY) < SAME_PX &&
    Math.abs(a.rightX - b.rightX) < SAME_PX &&
    Math.abs(a.rightY - b.rightY) < SAME_PX
  );
}
