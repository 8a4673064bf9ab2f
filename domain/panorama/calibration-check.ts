import { type RectilinearCamera, rayOf } from '../camera-geometry/rectilinear.ts';
import { pointsOfSeam, type Residuals, residualsOf } from './control-points.ts';
import type { ControlPoint } from './hugin-project.ts';

/** How the cameras of a mast were meant to stand. */
export interface MastLayout {
  readonly hfovDeg: number;
  readonly overlapDeg: number;
}

export type Doubt =
  | 'too_few_control_points'
  | 'badly_spread_control_points'
  | 'poor_fit'
  | 'implausible_angles'
  | 'too_little_overlap';

export interface Verdict {
  readonly code: Doubt;
  /** With numbers, for people. */
  readonly message: string;
}

/** Control points a seam needs; three unknown angles need two, the others show how good they are. */
const POINTS_MIN = 12;
/** Share of the height over which the points of a seam must lie: a cluster fixes no roll. */
const SPREAD_MIN = 0.12;
/** Of a picture 1920 pixels wide. */
const RMS_MAX_PX = 3;
const POINT_MAX_PX = 12;
/** A kept calibration fits when the rms is at most its own and this, of a picture 1920 pixels wide: 0.04 degrees. */
const MOVED_PX = 1;
const ROLL_MAX_DEG = 8;
const YAW_OFF_MAX_DEG = 12;
const PITCH_APART_MAX_DEG = 10;
const OVERLAP_MIN_DEG = 2;
const REFERENCE_WIDTH = 1920;

/** Cameras as they were meant to stand, the reference at yaw 0; neighbours are `hfov - overlap` apart. */
export function priorCameras(
  sizes: readonly { readonly width: number; readonly height: number }[],
  { hfovDeg, overlapDeg }: MastLayout,
  reference: number,
): RectilinearCamera[] {
  return sizes.map(({ width, height }, index) => ({
    width,
    height,
    hfovDeg,
    yawDeg: (index - reference) * (hfovDeg - overlapDeg),
    pitchDeg: 0,
    rollDeg: 0,
  }));
}

/** Angle that two neighbours see both, in the middle of their heights; negative when there is a gap. */
export function overlapDeg(left: RectilinearCamera, right: RectilinearCamera): number {
  const edge = (camera: RectilinearCamera, x: number): number => {
    const ray = rayOf(camera, x, (camera.height - 1) / 2);
    return (Math.atan2(ray.right, ray.ahead) * 180) / Math.PI;
  };
  return edge(left, left.width - 0.5) - edge(right, -0.5);
}

/** Whether enough was found to compare the cameras at all; undefined when it was. */
export function doubtPoints(
  names: readonly string[],
  cameras: readonly RectilinearCamera[],
  points: readonly ControlPoint[],
): Verdict | undefined {
  for (let left = 0; left + 1 < cameras.length; left++) {
    const seam = pointsOfSeam(points, left);
    const between = `${names[left]} and ${names[left + 1]}`;
    if (seam.length < POINTS_MIN)
      return {
        code: 'too_few_control_points',
        message: `${between} have ${seam.length} details in common; ${POINTS_MIN} are needed`,
      };
    const heights = seam.map((point) => point.leftY);
    const spread = (Math.max(...heights) - Math.min(...heights)) / (cameras[left]?.height ?? 1);
    if (spread < SPREAD_MIN)
      return {
        code: 'badly_spread_control_points',
        message: `the ${seam.length} details that ${between} have in common lie within ${percent(spread)} of the height; ${percent(SPREAD_MIN)} are needed`,
      };
  }
  return undefined;
}

/** Whether cameras that were fitted to points are to be believed; undefined when they are. */
export function doubtFit(
  names: readonly string[],
  cameras: readonly RectilinearCamera[],
  points: readonly ControlPoint[],
  prior: readonly RectilinearCamera[],
  reference: number,
): Verdict | undefined {
  const lead = cameras[reference];
  if (!lead) throw new RangeError('there is no reference camera');
  for (const [index, camera] of cameras.entries()) {
    const name = names[index] ?? '';
    if (Math.abs(camera.rollDeg) > ROLL_MAX_DEG)
      return implausible(`${name} would be rolled by ${degrees(camera.rollDeg)}`, ROLL_MAX_DEG);
    const meant = (prior[index]?.yawDeg ?? 0) - (prior[reference]?.yawDeg ?? 0);
    const off = camera.yawDeg - lead.yawDeg - meant;
    if (Math.abs(off) > YAW_OFF_MAX_DEG)
      return implausible(
        `${name} would be turned ${degrees(off)} away from where the layout has it`,
        YAW_OFF_MAX_DEG,
      );
    const apart = camera.pitchDeg - lead.pitchDeg;
    if (Math.abs(apart) > PITCH_APART_MAX_DEG)
      return implausible(
        `${name} would look ${degrees(apart)} higher than ${names[reference]}`,
        PITCH_APART_MAX_DEG,
      );
  }
  for (let left = 0; left + 1 < cameras.length; left++) {
    const [one, other] = [cameras[left], cameras[left + 1]];
    if (!one || !other) continue;
    const between = `${names[left]} and ${names[left + 1]}`;
    const overlap = overlapDeg(one, other);
    if (overlap < OVERLAP_MIN_DEG)
      return {
        code: 'too_little_overlap',
        message: `${between} overlap by ${degrees(overlap)}; ${degrees(OVERLAP_MIN_DEG)} are needed`,
      };
    const { rmsPx, maxPx, count } = residualsOf(cameras, pointsOfSeam(points, left));
    const scale = one.width / REFERENCE_WIDTH;
    if (rmsPx > RMS_MAX_PX * scale || maxPx > POINT_MAX_PX * scale)
      return {
        code: 'poor_fit',
        message:
          `${count} details of ${between} are ${pixels(rmsPx)} apart (rms) and ${pixels(maxPx)} at most; ` +
          `${pixels(RMS_MAX_PX * scale)} and ${pixels(POINT_MAX_PX * scale)} are allowed`,
      };
  }
  return undefined;
}

/** Whether a kept calibration still holds for points of another session; undefined when it does. */
export function doubtKept(
  names: readonly string[],
  cameras: readonly RectilinearCamera[],
  kept: readonly Pick<Residuals, 'rmsPx'>[],
  points: readonly ControlPoint[],
): Verdict | undefined {
  for (let left = 0; left + 1 < cameras.length; left++) {
    const { rmsPx, count } = residualsOf(cameras, pointsOfSeam(points, left));
    const limit = (kept[left]?.rmsPx ?? 0) + (MOVED_PX * (cameras[left]?.width ?? 0)) / REFERENCE_WIDTH;
    if (rmsPx > limit)
      return {
        code: 'poor_fit',
        message: `${count} details of ${names[left]} and ${names[left + 1]} are ${pixels(rmsPx)} apart (rms); ${pixels(limit)} are allowed`,
      };
  }
  return undefined;
}

function implausible(what: string, limitDeg: number): Verdict {
  return { code: 'implausible_angles', message: `${what}; ${degrees(limitDeg)} are believed` };
}

const degrees = (value: number): string => `${value.toFixed(1)}°`;
const pixels = (value: number): string => `${value.toFixed(1)} px`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;
