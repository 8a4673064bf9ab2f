import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffprobe } from '#central/ingest/probe.ts';
import { panoramaExecutor } from '#central/panorama/executor.ts';
import { camerasOf, keptCalibrations } from '#central/panorama/kept-calibrations.ts';
import { PanoramaResult, PanoramaSettings } from '#contracts/panorama.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { pixelOf, type RectilinearCamera, rayOf } from '#domain/camera-geometry/rectilinear.ts';
import { pixelOfCylinder, planCylinder } from '#domain/panorama/cylinder.ts';
import { localBlobs } from '#ports/blobs/local-blobs.ts';
import { tempFolder } from '../fixtures/central.ts';
import {
  HFOV_DEG,
  MAST_CAMERAS,
  type MastCamera,
  type MastFilm,
  type MastView,
  mastCamera,
  mastFilm,
} from '../fixtures/mast.ts';

t.setTimeout(300_000);

const UID = '01HZZZZZZZZZZZZZZZZZZZZZZA';
const WIDTH = 960;

/** A mast as people build it: no camera stands exactly as it was meant to, and each sees the light in its own way. */
const MAST: Record<MastCamera, MastView> = {
  CAM_L: {
    ...{ yaw: -53.4, pitch: -11.2, roll: 0.7 },
    options: { exposure: { gain: 1.25, red: 1.06, blue: 0.95 } },
  },
  CAM_C: { yaw: 0, pitch: -12, roll: 0 },
  CAM_R: {
    ...{ yaw: 54.6, pitch: -12.9, roll: -0.6 },
    options: { exposure: { gain: 0.78, red: 0.96, blue: 1.05 } },
  },
};

interface Place {
  readonly root: string;
  readonly make: (
    films: readonly MastFilm[],
    settings?: Partial<PanoramaSettings>,
    moments?: number,
  ) => Promise<PanoramaResult & { readonly log: string[] }>;
  readonly kept: ReturnType<typeof keptCalibrations>;
}

/** The executor on a store of its own, without queue and database. */
async function place(t: Test): Promise<Place> {
  const root = await tempFolder(t);
  const store = localBlobs({
    areas: { sessions: join(root, 'sessions'), processing: join(root, 'processing') },
    temp: join(root, 'temp'),
    receives: true,
  });
  await store.start();
  const { processing } = ServerConfig.parse({
    version: 1,
    server: { host: '127.0.0.1' },
    broker: { host: '127.0.0.1' },
    processing: {
      ffmpeg_path: 'ffmpeg',
      output_preset: 'ultrafast',
      stitch_overlap_px: 40,
      calibration: { hfov_deg: HFOV_DEG, overlap_deg: 12 },
    },
  });
  let jobs = 0;
  return {
    root,
    kept: keptCalibrations(store, (message) => t.fail(message)),
    async make(films, settings = {}, moments = 1) {
      const log: string[] = [];
      const jobId = `job-${++jobs}`;
      const scratch = join(store.scratch, jobId);
      await mkdir(scratch);
      const execute = panoramaExecutor({
        ...{ store, minFreeBytes: 0 },
        processing: { ...processing, calibration: { ...processing.calibration, moments } },
        session: async () => ({ folder: jobId, recordings: films }),
        probe: ffprobe('ffmpeg'),
        noteHash: async () => undefined,
        warn: (message) => t.fail(message),
      });
      const result = await execute(
        {
          ...{ kind: 'panorama', job_id: jobId, session_uid: UID, subject: '', state: 'running' },
          ...{
            progress: 0,
            speed: null,
            remaining_sec: null,
            attempt: 1,
            log: [],
            result: null,
            error: null,
          },
          ...{ created_at: '2024-03-15T14:00:00Z', started_at: null, finished_at: null },
          settings: PanoramaSettings.parse(settings),
        },
        {
          ...{ scratch, signal: new AbortController().signal, progress: () => undefined },
          log: (line) => void log.push(line),
        },
      );
      return { ...PanoramaResult.parse(result), log };
    },
  };
}

const cameraOf = (name: MastCamera): RectilinearCamera =>
  mastCamera(MAST[name] ?? { yaw: 0, pitch: 0, roll: 0 }, WIDTH);

/** How far a camera is turned against another one, as yaw, pitch and roll seen from that one. Degrees. */
function turnedAgainst(from: RectilinearCamera, to: RectilinearCamera): [number, number, number] {
  const looksAt = (x: number, y: number): [number, number] => {
    const ray = rayOf(to, x, y);
    const seen = pixelOf({ ...from, hfovDeg: 90, width: 2, height: 2 }, ray) ?? {
      x: Number.NaN,
      y: Number.NaN,
    };
    return [Math.atan(seen.x - 0.5), Math.atan(seen.y - 0.5)];
  };
  const middle: [number, number] = [(to.width - 1) / 2, (to.height - 1) / 2];
  const [yaw, pitch] = looksAt(...middle);
  const [, lower] = looksAt(middle[0], middle[1] + to.height / 4);
  const [beside] = looksAt(middle[0], middle[1] + to.height / 4);
  const degrees = 180 / Math.PI;
  return [yaw * degrees, -pitch * degrees, ((beside - yaw) / (lower - pitch)) * degrees];
}

/** Mean levels of a rectangle of a frame. */
function levelsAt(
  file: string,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): [number, number, number] {
  const raw = execFileSync('ffmpeg', [
    ...['-v', 'error', '-ss', '0.5', '-i', file, '-frames:v', '1'],
    ...['-vf', `crop=${width}:${height}:${x}:${y},format=yuv444p`, '-f', 'rawvideo', '-'],
  ]);
  const plane = (index: number): number => {
    const part = raw.subarray(index * width * height, (index + 1) * width * height);
    return part.reduce((sum, each) => sum + each, 0) / part.length;
  };
  return [plane(0), plane(1), plane(2)];
}

t.test('a pitch seen by three cameras', async (t) => {
  const { root, make, kept } = await place(t);
  const films = MAST_CAMERAS.map((name) =>
    mastFilm(join(root, 'films'), name, MAST[name] ?? { yaw: 0, pitch: 0, roll: 0 }, { width: WIDTH }),
  );
  const first = await make(films, {}, 2);
  const truth = MAST_CAMERAS.map(cameraOf);
  const { calibration } = first;
  if (!calibration) {
    t.fail(`not calibrated: ${first.calibration_reason?.message}`);
    return;
  }
  t.match(first, {
    calibrated: true,
    calibration_origin: 'made',
    calibration_reason: null,
    layout: 'cylindrical',
  });
  const found = camerasOf(calibration);
  const [left, center, right] = found;
  if (!left || !center || !right) throw new Error('three cameras went in');
  for (const [index, outer] of [
    [0, left],
    [2, right],
  ] as const) {
    const was = turnedAgainst(truth[1] ?? center, truth[index] ?? outer);
    const is = turnedAgainst(center, outer);
    const off = is.map((angle, n) => Math.abs(angle - (was[n] ?? 0)));
    t.ok(
      Math.max(...off) < 0.1,
      `${MAST_CAMERAS[index]}: ${off.map((each) => each.toFixed(3)).join(', ')} degrees off`,
    );
  }
  t.ok(Math.abs(center.pitchDeg - -12) < 1.5, `level to ${(center.pitchDeg + 12).toFixed(2)} degrees`);

  // World points of the overlap, seen by both cameras, must land on one place of the panorama.
  const plan = planCylinder(found, { seamPx: 40, reference: 1 });
  const apart: number[] = [];
  for (const seam of [0, 1]) {
    const columns = plan.seams[seam] ?? { from: 0, to: 0 };
    for (let row = 20; row < first.height; row += 20) {
      const x = (columns.from + columns.to) / 2;
      const [one, other] = [found[seam], found[seam + 1]];
      const [trueOne, trueOther] = [truth[seam], truth[seam + 1]];
      if (!one || !other || !trueOne || !trueOther) throw new Error('a camera is missing');
      const angle = plan.cylinder.leftRad + (x + 0.5) / plan.cylinder.focalPx;
      const ray = {
        right: Math.sin(angle),
        ahead: Math.cos(angle),
        up: plan.cylinder.top - (row + 0.5) / plan.cylinder.focalPx,
      };
      const source = pixelOf(one, ray);
      const there = source && pixelOf(trueOther, rayOf(trueOne, source.x, source.y));
      const shown = there && pixelOfCylinder(plan.cylinder, rayOf(other, there.x, there.y));
      apart.push(shown ? Math.hypot(shown.x - x, shown.y - row) : Number.POSITIVE_INFINITY);
    }
  }
  const rms = Math.sqrt(apart.reduce((sum, each) => sum + each * each, 0) / apart.length);
  t.ok(
    rms < 0.5,
    `the views are ${rms.toFixed(2)} px apart at the seams, ${Math.max(...apart).toFixed(2)} at most`,
  );

  // Exposure, as stated and as measured in the picture: the same patch of grass on both sides of each seam.
  for (const { exposure_step_before: before, exposure_step_after: after } of first.seams) {
    t.ok(Math.abs(before?.y ?? 0) > 6, `${before?.y} levels of luma before`);
    for (const plane of ['y', 'u', 'v'] as const)
      t.ok(Math.abs(after?.[plane] ?? 99) < 1, `${after?.[plane]} levels of ${plane} after`);
  }
  const even = await make(films, { match_exposure: false });
  t.match(even, {
    calibration_origin: 'recognised',
    calibration: { calibration_id: calibration.calibration_id },
  });
  t.ok(even.log.some((line) => /same mast position/.test(line)));
  const stepIn = (result: PanoramaResult, seam: number): number[] => {
    const { at_px: at, width_px: width } = result.seams[seam] ?? { at_px: 0, width_px: 0 };
    const strip = {
      y: 2 * Math.floor(result.height * 0.3),
      width: 16,
      height: 2 * Math.floor(result.height * 0.15),
    };
    const before = levelsAt(result.file, { ...strip, x: at - width / 2 - 16 });
    const after = levelsAt(result.file, { ...strip, x: at + width / 2 });
    return before.map((level, plane) => (after[plane] ?? 0) - level);
  };
  for (const seam of [0, 1]) {
    // The scene itself changes across a seam; what the two panoramas differ by is the exposure.
    const [matched, unmatched] = [stepIn(first, seam), stepIn(even, seam)];
    const stated = first.seams[seam]?.exposure_step_before?.y ?? 0;
    const removed = (unmatched[0] ?? 0) - (matched[0] ?? 0);
    t.ok(
      Math.abs(removed - stated) < 3,
      `seam ${seam}: ${removed.toFixed(1)} levels removed in the picture, ${stated} were there`,
    );
  }

  t.test('an id is taken as it is, and only where it belongs', async (t) => {
    const asked = await make(films, { calibration: calibration.calibration_id });
    t.match(asked, { calibration_origin: 'asked_for', width: first.width, height: first.height });
    await t.rejects(make(films, { calibration: 'nothing' }), { code: 'not_found' });
    await t.rejects(make(films.slice(0, 2), { calibration: calibration.calibration_id }), {
      code: 'invalid_field',
      field: 'calibration',
    });
    t.match(await make(films, { calibration: 'none' }), {
      calibrated: false,
      calibration_reason: { code: 'not_wanted' },
      layout: /uncalibrated/,
    });
  });

  t.test('a camera that was turned by 2 degrees', async (t) => {
    const turned = mastFilm(
      join(root, 'turned'),
      'CAM_L',
      { ...MAST.CAM_L, yaw: MAST.CAM_L.yaw - 2 },
      { width: WIDTH },
    );
    const again = await make([turned, ...films.slice(1)]);
    t.match(again, { calibrated: true, calibration_origin: 'made' });
    t.not(again.calibration?.calibration_id, calibration.calibration_id, 'the kept one is refused');
    t.ok(again.log.some((line) => line.includes(calibration.calibration_id) && /does not fit/.test(line)));
    t.equal((await kept.list()).length, 2);
    t.equal((await kept.list())[0]?.calibration_id, again.calibration?.calibration_id, 'the newest first');
  });

  t.test('without Hugin: side by side, naming the package', async (t) => {
    const programs = join(root, 'programs');
    await mkdir(programs);
    for (const name of ['ffmpeg', 'ffprobe', 'setpriv'])
      await symlink(execFileSync('which', [name]).toString().trim(), join(programs, name));
    const { PATH } = process.env;
    process.env.PATH = programs;
    const result = await make(films).finally(() => {
      process.env.PATH = PATH;
    });
    t.match(result, {
      calibrated: false,
      calibration_reason: { code: 'program_missing', message: /cpfind .* hugin-tools/ },
      layout: /side-by-side/,
    });
  });

  t.test('two cameras', async (t) => {
    const two = await make(films.slice(1));
    t.match(two, {
      calibrated: true,
      cameras: ['CAM_C', 'CAM_R'],
      seams: [{ left: 'CAM_C', right: 'CAM_R' }],
    });
    t.equal(two.seams.length, 1);
  });

  t.test('a pitch without texture: side by side, with the reason', async (t) => {
    const plain = MAST_CAMERAS.map((name) =>
      mastFilm(
        join(root, 'plain'),
        name,
        { ...(MAST[name] ?? { yaw: 0, pitch: 0, roll: 0 }), options: { texture: 'plain' } },
        { width: WIDTH, seconds: 1 },
      ),
    );
    const result = await make(plain);
    t.match(result, {
      calibrated: false,
      calibration: null,
      calibration_origin: null,
      calibration_reason: { code: /^(too_few|badly_spread)_control_points$/, message: /CAM_[LC].*\d/ },
      layout: /side-by-side/,
      exposure: [],
      seams: [],
    });
    t.ok(
      result.calibration_reason?.usable.includes(calibration.calibration_id),
      'the kept ones can be asked for',
    );
  });
});
