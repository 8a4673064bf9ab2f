import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { writeWarpFiles } from '#central/panorama/warp-files.ts';
import { planCylinder } from '#domain/panorama/cylinder.ts';
import { type Correction420, UNCHANGED } from '#domain/panorama/exposure.ts';
import { type Graph, type StitchInput, stitchArguments } from '#domain/panorama/ffmpeg-arguments.ts';
import { segmentsOf } from '#domain/panorama/segments.ts';
import { warpGraph } from '#domain/panorama/warp-graph.ts';
import { MAST_CAMERAS, mastCamera, mastFilm } from '../fixtures/mast.ts';
import { environment } from './measuring/environment.ts';
import { ratios, spread } from './measuring/figures.ts';
import { inTempFolder } from './measuring/folder.ts';
import { endedChildrenCpuSec } from './measuring/process-tree.ts';
import { runForeign } from './measuring/programs.ts';

export const about =
  'Frames a second of the calibrated panorama, against a plain row of the same films and against OpenCV in Python';

const FPS = 30;
const CASES = [
  { name: '3x1080p', width: 1920, seconds: 5 },
  { name: '3x4K', width: 3840, seconds: 2 },
] as const;
const VIEWS = [
  { yaw: -54, pitch: -11.5, roll: 0.5 },
  { yaw: 0, pitch: -12, roll: 0 },
  { yaw: 54, pitch: -12.5, roll: -0.5 },
];
const GAINS = [0.93, 1, 1.08];
const SEAM_PX = 100;
const ENCODING = { codec: 'h264', preset: 'ultrafast' } as const;
const ENCODER = [
  ...['-c:v', 'libx264', '-preset', ENCODING.preset, '-crf', '20', '-pix_fmt', 'yuv420p', '-g', '60'],
  ...['-f', 'mp4'],
];
/** Debian's, which is the one that has Debian's python3-opencv. */
const PYTHON = '/usr/bin/python3';
const DISK_BYTES = 2 * 2 ** 30;

export async function run({
  rounds = 3,
  log,
}: {
  rounds?: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const before = environment();
  const opencv = await openCvVersion();
  log(opencv === null ? 'OpenCV is not there: apt-get install -y python3-opencv' : `OpenCV ${opencv}`);
  const results: Record<string, unknown> = {};
  for (const one of CASES)
    results[one.name] = await inTempFolder(DISK_BYTES, (folder) => measure(folder, one, opencv, rounds, log));
  return {
    environment: before,
    encoder: `libx264 ${ENCODING.preset}, crf 20, for all`,
    opencv: opencv ?? 'not installed (apt-get install -y python3-opencv)',
    ...results,
  };
}

async function measure(
  folder: string,
  { name, width, seconds }: (typeof CASES)[number],
  opencv: string | null,
  rounds: number,
  log: (line: string) => void,
): Promise<Record<string, unknown>> {
  log(`${name}: rendering the films …`);
  const films = MAST_CAMERAS.map((camera, index) =>
    mastFilm(folder, camera, VIEWS[index] ?? { yaw: 0, pitch: 0, roll: 0 }, { width, seconds }),
  );
  const frames = seconds * FPS;
  const cameras = VIEWS.map((view) => mastCamera(view, width));
  const plan = planCylinder(cameras, { seamPx: SEAM_PX, reference: 1 });
  const stills = await writeWarpFiles(join(folder, 'maps'), cameras, plan);
  const corrections: Correction420[] = GAINS.map((gain) =>
    gain === 1 ? UNCHANGED : { ...UNCHANGED, y: { gain, offset: 0 } },
  );
  const inputs = films.map(({ file }): StitchInput => ({ path: file, offsetSec: 0, leadSec: 0, fps: FPS }));
  const row: Graph = {
    stills: [],
    filters: (chains) =>
      [
        ...chains.map((chain, index) => `${chain}[v${index}]`),
        `${chains.map((_, index) => `[v${index}]`).join('')}hstack=inputs=${chains.length}[panorama]`,
      ].join(';'),
  };
  const warp = warpGraph(plan, stills, corrections);
  const encode = (graph: Graph, firstFrame: number, count: number, output: string): Promise<string> =>
    runForeign(
      'ffmpeg',
      stitchArguments({ inputs, graph, fps: FPS, firstFrame, frames: count, encoding: ENCODING, output }),
    );
  const halves = segmentsOf(frames, FPS, seconds / 2);
  const job = join(folder, 'opencv.json');
  await writeFile(
    job,
    JSON.stringify({
      ...{ width: plan.cylinder.width, height: plan.cylinder.height, frames, encoder: ENCODER },
      output: join(folder, 'opencv.mp4'),
      views: films.map(({ file }, index) => ({
        ...{ film: file, files: stills.views[index]?.luma, gain: GAINS[index] },
        ...plan.regions[index],
      })),
      seams: plan.seams.map((seam, index) => ({ ...seam, file: stills.seams[index]?.luma })),
    }),
  );

  const measured = (): Measured => ({ fps: [], cpuMs: [] });
  const ours = measured();
  const halved = measured();
  const plainRow = measured();
  const byOpenCv = measured();
  const timed = async (into: Measured, work: () => Promise<unknown>): Promise<void> => {
    const begun = process.hrtime.bigint();
    const cpuBefore = endedChildrenCpuSec();
    await work();
    into.cpuMs.push(((endedChildrenCpuSec() - cpuBefore) * 1000) / frames);
    into.fps.push(frames / (Number(process.hrtime.bigint() - begun) / 1e9));
  };
  for (let round = 1; round <= rounds; round++) {
    log(`${name}, round ${round} …`);
    await timed(ours, () => encode(warp, 0, frames, join(folder, 'ours.mp4')));
    await timed(plainRow, () => encode(row, 0, frames, join(folder, 'row.mp4')));
    await timed(halved, () =>
      Promise.all(
        halves.map(({ index, firstFrame, frames: count }) =>
          encode(warp, firstFrame, count, join(folder, `half${index}.mp4`)),
        ),
      ),
    );
    if (opencv !== null)
      await timed(byOpenCv, () =>
        runForeign(PYTHON, [join(import.meta.dirname, 'programs/opencv-panorama.py'), job]),
      );
  }
  return {
    panorama: `${plan.cylinder.width}x${plan.cylinder.height}`,
    row: `${width * 3}x${cameras[0]?.height}`,
    frames,
    cores: availableParallelism(),
    fps: {
      ours: spread(ours.fps),
      ours_two_segments_at_once: spread(halved.fps),
      plain_row: spread(plainRow.fps),
      ...(opencv === null ? {} : { opencv: spread(byOpenCv.fps) }),
    },
    fps_ratio_to_plain_row: ratios(ours.fps, plainRow.fps),
    fps_ratio_of_two_segments_to_one: ratios(halved.fps, ours.fps),
    ...(opencv === null ? {} : { fps_ratio_to_opencv: ratios(ours.fps, byOpenCv.fps) }),
    // Says more than frames a second when the machine has other work, too.
    cpu_ms_per_frame: {
      ours: spread(ours.cpuMs),
      plain_row: spread(plainRow.cpuMs),
      ...(opencv === null ? {} : { opencv: spread(byOpenCv.cpuMs) }),
    },
    cpu_ratio_to_plain_row: ratios(ours.cpuMs, plainRow.cpuMs),
    ...(opencv === null ? {} : { cpu_ratio_to_opencv: ratios(ours.cpuMs, byOpenCv.cpuMs) }),
  };
}

interface Measured {
  readonly fps: number[];
  /** User and system time of all programs, per frame of the panorama. */
  readonly cpuMs: number[];
}

/** Version of Debian's OpenCV for Python; null when it is not there. */
async function openCvVersion(): Promise<string | null> {
  try {
    return (await runForeign(PYTHON, ['-c', 'import cv2; print(cv2.__version__)'])).trim();
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
}
