import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { centralLayout } from '#contracts/layout.ts';
import type { PanoramaResult, PanoramaSettings } from '#contracts/panorama.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import { toWireTime } from '#contracts/time.ts';
import { type CylinderPlan, planCylinder } from '#domain/panorama/cylinder.ts';
import { UNCHANGED } from '#domain/panorama/exposure.ts';
import type { Graph } from '#domain/panorama/ffmpeg-arguments.ts';
import { segmentsOfStretches } from '#domain/panorama/segments.ts';
import { sideBySideGraph } from '#domain/panorama/side-by-side-graph.ts';
import { warpGraph } from '#domain/panorama/warp-graph.ts';
import { type BlobStore, readText } from '#ports/blobs/blobs.ts';
import type { Executor, JobContext } from '#ports/jobs/jobs.ts';
import { SOFTWARE_VERSION } from '#runtime/version.ts';
import { calibrate } from './calibrate.ts';
import { heardCorrections } from './heard.ts';
import { examined, type Footage, footageOf, isWhole } from './inputs.ts';
import { camerasOf, keptCalibrations } from './kept-calibrations.ts';
import { matchExposure } from './match-exposure.ts';
import { type Moment, momentFrames, momentSize, takeMoment } from './moments.ts';
import { layoutOf, type PanoramaPlan, planPanorama, type Source } from './plan.ts';
import { type Findings, findingsFor } from './recipe.ts';
import { encodeAndJoin } from './segments.ts';
import type { Probe } from './source.ts';
import { writeWarpFiles } from './warp-files.ts';

export interface PanoramaParts {
  readonly store: BlobStore;
  readonly processing: ServerConfig['processing'];
  readonly minFreeBytes: number;
  /** Rejects with `not_found`. */
  readonly session: (
    sessionUid: string,
  ) => Promise<{ folder: string; rig?: string | null; recordings: readonly Source[] }>;
  readonly probe: Probe;
  /** The hash of what was just stored, so that nobody has to read it for that. */
  readonly noteHash: (name: string, sha256: string) => Promise<void>;
  /** What reads a broken file of a kept calibration tells it here. */
  readonly warn: (message: string) => void;
}

/** An encoder and its filters keep two cores busy. */
const CORES_PER_SEGMENT = 2;

/**
 * Makes the panorama of a session: calibrated where it can be, else side by side, from the latest beginning of a camera to the earliest
 * end.
 */
export function panoramaExecutor(parts: PanoramaParts): Executor<'panorama'> {
  return async (job, context) => {
    const { store, processing } = parts;
    const session = await parts.session(job.session_uid);
    const sources = await examined(parts.probe, session.recordings);
    const timelineOf = async ({ contents, camera_id, part }: Source): Promise<string> => {
      const name =
        contents && centralLayout.timeline(session.folder, contents.recording.session_id, camera_id, part);
      return name && (await store.find(name)) ? readText(store, name) : '';
    };
    const heard = await heardCorrections(sources, timelineOf, processing.ffmpeg_path, context.signal);
    const plan = planPanorama(sources, heard);
    for (const note of plan.notes) context.log(note);
    await assertSpace(parts, 0);

    const footage = await footageOf(parts.probe, plan);
    const { settings } = job;
    const overlapPx = settings.overlap_px ?? processing.stitch_overlap_px;
    const encoding = {
      codec: settings.codec ?? processing.output_codec,
      preset: settings.preset ?? processing.output_preset,
    };
    const work = { parts, plan, footage, settings, overlapPx, context };
    const folder = join(context.scratch, 'panorama');
    const findings = await findingsFor(
      folder,
      {
        ...{ footage, files: plan.span.stretches, settings, overlapPx, encoding },
        ...{ processing: processing.calibration, software: SOFTWARE_VERSION },
      },
      {
        find: () => investigate({ ...work, sessionUid: job.session_uid, rig: session.rig ?? null, folder }),
        // What failed for a reason that may be gone tomorrow is looked at again.
        lasting: ({ calibrated: { reason } }) =>
          reason?.code !== 'program_missing' && reason?.code !== 'job_failed',
      },
    );
    const picture = await pictureOf(work, findings, folder);
    const segments = segmentsOfStretches(footage, plan.fps, processing.segment_sec).map(
      ({ stretch, ...segment }) => ({ ...segment, inputs: stretch.inputs, graph: picture.graphOf(stretch) }),
    );
    const made = await encodeAndJoin({
      ...{ segments, folder, encoding, context, width: picture.width, height: picture.height },
      ffmpegPath: processing.ffmpeg_path,
      fps: plan.fps,
      atOnce:
        processing.parallel_segments ?? Math.max(1, Math.floor(availableParallelism() / CORES_PER_SEGMENT)),
      probe: parts.probe,
      assertRoomFor: (bytes) => assertSpace(parts, bytes),
    });
    const draft = await store.adopt(made.path);
    const name = centralLayout.panorama(session.folder);
    await draft.commit(name);
    await parts.noteHash(name, draft.sha256);
    return {
      file: (await store.find(name))?.path ?? name,
      width: picture.width,
      height: picture.height,
      fps: plan.fps,
      duration_sec: made.frames / plan.fps,
      frames: made.frames,
      segments: segments.length,
      ...describe(plan, findings, picture),
    };
  };
}

interface Work {
  readonly parts: PanoramaParts;
  readonly plan: PanoramaPlan;
  readonly footage: readonly Footage[];
  readonly settings: PanoramaSettings;
  readonly overlapPx: number;
  readonly context: JobContext;
}

/** What is encoded: its graph in each stretch, its size, and where the seams are when there is a cylinder. */
interface Picture {
  readonly graphOf: (stretch: Footage) => Graph;
  readonly width: number;
  readonly height: number;
  readonly overlap: number;
  readonly cylinder: CylinderPlan | undefined;
}

/** The camera that the others are measured and matched against: the one in the middle. */
function referenceOf({ span }: PanoramaPlan): number {
  return Math.max(
    0,
    span.views.findIndex((view) => view.position === 'center'),
  );
}

/** Compares the views in some moments: how the cameras stand, and how their levels differ. */
async function investigate(
  work: Work & { readonly sessionUid: string; readonly rig: string | null; readonly folder: string },
): Promise<Findings> {
  const { parts, plan, settings, context, folder } = work;
  const { calibration: prior, ffmpeg_path: ffmpegPath } = parts.processing;
  const { views } = plan.span;
  const sizes = views.map(momentSize);
  const taken = new Map<number, Moment>();
  // A moment in which a camera is missing says nothing of it.
  const whole = work.footage.filter(isWhole);
  const take = async (frame: number): Promise<Moment> => {
    const { signal, log } = context;
    const inputs = whole.findLast(({ firstFrame }) => firstFrame <= frame)?.inputs ?? [];
    const moment =
      taken.get(frame) ??
      (await takeMoment({ ffmpegPath, inputs, sizes, fps: plan.fps, folder, signal, log }, frame));
    taken.set(frame, moment);
    return moment;
  };
  const frames = momentFrames(whole, prior.moments);
  const reference = referenceOf(plan);
  const calibrated = await calibrate({
    wanted: settings.calibration,
    layout: { hfovDeg: prior.hfov_deg, overlapDeg: prior.overlap_deg },
    cameras: views,
    momentSizes: sizes,
    reference,
    sessionUid: work.sessionUid,
    rig: work.rig,
    kept: keptCalibrations(parts.store, parts.warn),
    moments: (async function* () {
      for (const frame of frames) yield await take(frame);
    })(),
    signal: context.signal,
    log: context.log,
  });
  if (calibrated.calibration === null) return { calibrated, exposure: null };
  const cameras = camerasOf(calibrated.calibration).map((camera, index) => ({ ...camera, ...sizes[index] }));
  const { cylinder } = cylinderOf(work, cameras, reference);
  const moments: Moment[] = [];
  for (const frame of frames) moments.push(await take(frame));
  const names = views.map(({ cameraId }) => cameraId);
  return {
    calibrated,
    exposure: matchExposure(names, cameras, cylinder, moments, reference, settings.match_exposure),
  };
}

function cylinderOf(
  { overlapPx, settings, plan }: Work,
  cameras: Parameters<typeof planCylinder>[0],
  reference: number,
): CylinderPlan {
  try {
    // Two rows more: the compression of a picture smears what is burned in.
    const hiddenRows = plan.span.views.map(({ hiddenRows: rows, width }, index) =>
      rows === 0 ? 0 : ((rows + 2) * (cameras[index]?.width ?? width)) / width,
    );
    return planCylinder(cameras, {
      ...{ seamPx: Math.max(2, overlapPx), reference, hiddenRows },
      width: settings.width,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new TouchlineError('job_failed', `the calibration gives no panorama: ${error.message}`);
  }
}

async function pictureOf(work: Work, { calibrated, exposure }: Findings, folder: string): Promise<Picture> {
  const { plan, overlapPx } = work;
  if (calibrated.calibration === null) {
    const layout = layoutOf(plan, overlapPx);
    const graph = sideBySideGraph(layout);
    return { graphOf: () => graph, ...layout, cylinder: undefined };
  }
  const cameras = camerasOf(calibrated.calibration);
  const cylinder = cylinderOf(work, cameras, referenceOf(plan));
  const stills = await writeWarpFiles(join(folder, 'maps'), cameras, cylinder);
  const { width, height } = cylinder.cylinder;
  return {
    // Black has to stay black.
    graphOf: ({ inputs }) =>
      warpGraph(
        cylinder,
        stills,
        inputs.map((input, index) =>
          'black' in input ? UNCHANGED : (exposure?.corrections[index] ?? UNCHANGED),
        ),
      ),
    ...{ width, height, cylinder, overlap: overlapPx },
  };
}

/** Throws `insufficient_storage` when less than the reserve would be free after writing so much. */
async function assertSpace({ store, minFreeBytes }: PanoramaParts, bytes: number): Promise<void> {
  const free = await store.freeBytes();
  if (free - bytes < minFreeBytes)
    throw new TouchlineError(
      'insufficient_storage',
      `${free} bytes are free; ${bytes} are needed, and ${minFreeBytes} have to stay free`,
      {
        details: { free_bytes: free, needed_bytes: bytes, min_free_bytes: minFreeBytes },
      },
    );
}

function describe(
  { span, fps, frames, missing, uncoveredSec, notes }: PanoramaPlan,
  { calibrated, exposure }: Findings,
  { overlap, cylinder }: Picture,
): Omit<PanoramaResult, 'file' | 'width' | 'height' | 'fps' | 'duration_sec' | 'frames' | 'segments'> {
  const { calibration, origin, reason } = calibrated;
  const timeOf = (frame: number) => toWireTime(span.fromUs + Math.round((frame * 1e6) / fps));
  return {
    calibrated: calibration !== null,
    calibration,
    calibration_origin: origin,
    calibration_reason: reason,
    exposure: exposureOf(span.views, exposure),
    seams: (cylinder?.seams ?? []).map(({ from, to }, index) => ({
      left: span.views[index]?.cameraId ?? '',
      right: span.views[index + 1]?.cameraId ?? '',
      at_px: (from + to) / 2,
      width_px: to - from,
      residual_px: calibration?.seams[index]?.rms_px ?? null,
      exposure_step_before: exposure?.steps[index]?.before ?? null,
      exposure_step_after: exposure?.steps[index]?.after ?? null,
    })),
    layout: cylinder ? 'cylindrical' : `side-by-side, ${overlap} px linear blend, uncalibrated`,
    cameras: span.views.map((view) => view.cameraId),
    from: toWireTime(span.fromUs),
    to: timeOf(frames),
    missing: missing.map(({ cameraId, firstFrame, frames: count }) => ({
      camera_id: cameraId,
      from: timeOf(firstFrame),
      to: timeOf(firstFrame + count),
    })),
    uncovered_sec: uncoveredSec,
    notes: [...notes, ...(exposure?.notes ?? [])],
  };
}

function exposureOf(
  views: PanoramaPlan['span']['views'],
  exposure: Findings['exposure'],
): PanoramaResult['exposure'] {
  const round = (value: number): number => Number(value.toFixed(4));
  return (exposure?.corrections ?? []).map(({ y, u, v }, index) => ({
    camera_id: views[index]?.cameraId ?? '',
    gain: round(y.gain),
    offset: round(y.offset),
    u_gain: round(u.gain),
    u_offset: round(u.offset),
    v_gain: round(v.gain),
    v_offset: round(v.offset),
  }));
}
