import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { Calibration, CalibrationReason, PanoramaSettings } from '#contracts/panorama.ts';
import { toWireTime } from '#contracts/time.ts';
import type { RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import {
  doubtFit,
  doubtKept,
  doubtPoints,
  type MastLayout,
  overlapDeg,
  priorCameras,
} from '#domain/panorama/calibration-check.ts';
import {
  mergeMoments,
  pointsOfSeam,
  type Residuals,
  residualsOf,
  scalePoints,
  standingPoints,
  withoutOutliers,
} from '#domain/panorama/control-points.ts';
import type { ControlPoint } from '#domain/panorama/hugin-project.ts';
import { levelled } from '#domain/panorama/level.ts';
import { cleanControlPoints, findControlPoints, optimise } from './hugin.ts';
import { camerasOf, type KeptCalibrations } from './kept-calibrations.ts';
import type { Moment } from './moments.ts';

export interface CalibrationWork {
  readonly wanted: PanoramaSettings['calibration'];
  readonly layout: MastLayout;
  /** From left to right, as they were recorded. */
  readonly cameras: readonly {
    readonly cameraId: CameraId;
    readonly width: number;
    readonly height: number;
  }[];
  /** Size of each camera's frames in the moments. */
  readonly momentSizes: readonly { readonly width: number; readonly height: number }[];
  /** Which camera the others are measured against. */
  readonly reference: number;
  readonly sessionUid: string;
  readonly rig: string | null;
  readonly kept: KeptCalibrations;
  /** Further moments are taken only while the control points are not enough. */
  readonly moments: AsyncIterable<Moment>;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

export type Calibrated =
  | {
      readonly calibration: Calibration;
      readonly origin: 'made' | 'recognised' | 'asked_for';
      readonly reason: null;
    }
  | { readonly calibration: null; readonly origin: null; readonly reason: CalibrationReason };

/** Further moments are not looked at when each seam has so many details that stood still in two of them. */
const STANDING_ENOUGH = 40;
/** … nor when a seam has fewer details than this after two. */
const HOPELESS = 3;
/** Rows of a recorded picture, from the top, that may hold a burned-in clock. */
const CLOCK_ROWS = 16;
const OUTLIER_SLACK_PX = 1.5;

/**
 * The calibration of a session's cameras: the one that was asked for, a kept one that still fits, or a new one, which is
 * then kept. Without any, the reason. Rejects with `not_found` and `invalid_field` for an id that cannot be used.
 */
export async function calibrate(work: CalibrationWork): Promise<Calibrated> {
  const { wanted, kept, log } = work;
  if (wanted === 'none') return without(work, 'not_wanted', 'no calibration was asked for', []);
  if (wanted !== 'auto')
    return { calibration: await askedFor(work, wanted), origin: 'asked_for', reason: null };

  const candidates = (await kept.list()).filter((each) => isOf(each, work));
  const usable = candidates.map((each) => each.calibration_id);
  try {
    const found = await compare(work);
    if (!('fitted' in found)) return without(work, found.code, found.message, usable);
    const names = work.cameras.map(({ cameraId }) => cameraId);
    for (const candidate of candidates) {
      const doubt = doubtKept(
        names,
        camerasOf(candidate),
        candidate.seams.map((seam) => ({ rmsPx: seam.rms_px })),
        found.points,
      );
      if (!doubt) {
        log(`the calibration ${candidate.calibration_id} fits: same mast position`);
        return { calibration: candidate, origin: 'recognised', reason: null };
      }
      log(`the calibration ${candidate.calibration_id} does not fit: ${doubt.message}`);
    }
    const doubt = doubtFit(names, found.fitted, found.points, found.prior, work.reference);
    if (doubt) return without(work, doubt.code, doubt.message, usable);
    const made = await kept.keep(describe(work, found.fitted, found.points));
    log(
      `calibrated by ${made.control_points} details, ${made.rms_px} px apart (rms): ${made.calibration_id}`,
    );
    return { calibration: made, origin: 'made', reason: null };
  } catch (error) {
    if (work.signal.aborted) throw error;
    // A panorama without calibration is better than none, as long as it says so.
    if (error instanceof TouchlineError && (error.code === 'program_missing' || error.code === 'job_failed'))
      return without(work, error.code, error.message, usable);
    throw error;
  }
}

interface Fit {
  readonly prior: readonly RectilinearCamera[];
  readonly fitted: readonly RectilinearCamera[];
  /** In pixels of the recordings. */
  readonly points: readonly ControlPoint[];
}

/** Compares the views and turns the outer ones until they fit; the cameras and what they were fitted to. */
async function compare(work: CalibrationWork): Promise<Fit | NonNullable<ReturnType<typeof doubtPoints>>> {
  const { cameras, layout, momentSizes, reference, signal, log } = work;
  const names = cameras.map(({ cameraId }) => cameraId);
  const prior = priorCameras(momentSizes, layout, reference);
  const maskedRows = Math.max(
    ...cameras.map(
      ({ width }, index) => Math.ceil((CLOCK_ROWS * (momentSizes[index]?.width ?? 0)) / width) + 2,
    ),
  );
  const found: ControlPoint[][] = [];
  let folder = '';
  let images: { camera: RectilinearCamera; file: string }[] = [];
  for await (const moment of work.moments) {
    folder = moment.folder;
    images = prior.map((camera, index) => ({ camera, file: moment.files[index] ?? '' }));
    found.push(await findControlPoints(folder, { images, points: [], maskedRows, reference }, signal));
    log(
      `frame ${moment.frame}: ${perSeam(found.at(-1) ?? [], cameras.length).join(' and ')} details in common`,
    );
    if (found.length > 1 && (isEnough(found, cameras.length) || isHopeless(found, cameras.length))) break;
  }
  const merged = neighboursOnly(mergeMoments(found));
  const early = doubtPoints(names, prior, merged);
  if (early) return early;
  const project = { images, maskedRows: 0, reference };
  const clean = await cleanControlPoints(folder, { ...project, points: merged }, signal);
  const first = turned(prior, await optimise(folder, { ...project, points: clean }, signal));
  const points = withoutOutliers(first, clean, OUTLIER_SLACK_PX);
  const late = doubtPoints(names, prior, points);
  if (late) return late;
  const angles = await optimise(
    folder,
    {
      ...project,
      images: images.map((image, n) => ({ ...image, camera: first[n] ?? image.camera })),
      points,
    },
    signal,
  );
  const fitted = levelled(turned(prior, angles), reference).map((camera, index) => ({
    ...camera,
    width: cameras[index]?.width ?? 0,
    height: cameras[index]?.height ?? 0,
  }));
  const factors = cameras.map(({ width }, index) => width / (momentSizes[index]?.width ?? width));
  return { prior, fitted, points: scalePoints(points, factors) };
}

function describe(
  { cameras, sessionUid, rig }: CalibrationWork,
  fitted: readonly RectilinearCamera[],
  points: readonly ControlPoint[],
): Omit<Calibration, 'calibration_id'> {
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  const residuals = ({ count, rmsPx, maxPx }: Residuals) => ({
    control_points: count,
    rms_px: round(rmsPx, 3),
    max_px: round(maxPx, 3),
  });
  return {
    v: 1,
    made_at: toWireTime(Date.now() * 1000),
    rig,
    session_uid: sessionUid,
    cameras: fitted.map((camera, index) => ({
      camera_id: cameras[index]?.cameraId ?? '',
      width: camera.width,
      height: camera.height,
      hfov_deg: camera.hfovDeg,
      yaw_deg: round(camera.yawDeg, 4),
      pitch_deg: round(camera.pitchDeg, 4),
      roll_deg: round(camera.rollDeg, 4),
    })),
    ...residuals(residualsOf(fitted, points)),
    seams: fitted.slice(1).map((right, index) => ({
      left: cameras[index]?.cameraId ?? '',
      right: cameras[index + 1]?.cameraId ?? '',
      overlap_deg: round(overlapDeg(fitted[index] ?? right, right), 2),
      ...residuals(residualsOf(fitted, pointsOfSeam(points, index))),
    })),
  };
}

async function askedFor(work: CalibrationWork, id: string): Promise<Calibration> {
  const calibration = await work.kept.get(id);
  if (isOf(calibration, work)) return calibration;
  const told = (cameras: readonly { width: number; height: number; name: string }[]): string =>
    cameras.map(({ name, width, height }) => `${name} ${width}x${height}`).join(', ');
  throw new TouchlineError(
    'invalid_field',
    `the calibration ${id} is of ${told(calibration.cameras.map((each) => ({ ...each, name: each.camera_id })))}; ` +
      `the session has ${told(work.cameras.map((each) => ({ ...each, name: each.cameraId })))}`,
    { field: 'calibration' },
  );
}

function isOf(calibration: Calibration, { cameras }: CalibrationWork): boolean {
  return (
    calibration.cameras.length === cameras.length &&
    calibration.cameras.every((each, index) => {
      const camera = cameras[index];
      return (
        each.camera_id === camera?.cameraId && each.width === camera.width && each.height === camera.height
      );
    })
  );
}

function without(
  { log }: CalibrationWork,
  code: CalibrationReason['code'],
  message: string,
  usable: string[],
): Calibrated {
  log(
    `not calibrated: ${message}${usable.length > 0 ? `; kept and to be asked for by id: ${usable[0]}` : ''}`,
  );
  return { calibration: null, origin: null, reason: { code, message, usable } };
}

const isEnough = (moments: readonly (readonly ControlPoint[])[], cameras: number): boolean =>
  perSeam(standingPoints(moments), cameras).every((count) => count >= STANDING_ENOUGH);

/** Where two moments gave next to nothing, the others will not give enough. */
const isHopeless = (moments: readonly (readonly ControlPoint[])[], cameras: number): boolean =>
  perSeam(mergeMoments(moments), cameras).some((count) => count < HOPELESS);

const neighboursOnly = (points: readonly ControlPoint[]): ControlPoint[] =>
  points.filter((point) => point.right === point.left + 1);

const perSeam = (points: readonly ControlPoint[], cameras: number): number[] =>
  Array.from({ length: cameras - 1 }, (_, left) => pointsOfSeam(points, left).length);

function turned(
  cameras: readonly RectilinearCamera[],
  angles: readonly { yawDeg: number; pitchDeg: number; rollDeg: number }[],
): RectilinearCamera[] {
  return cameras.map((camera, index) => ({ ...camera, ...angles[index] }));
}
