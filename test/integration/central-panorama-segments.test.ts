import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ffprobe } from '#central/ingest/probe.ts';
import { panoramaExecutor } from '#central/panorama/executor.ts';
import { type PanoramaResult, PanoramaSettings } from '#contracts/panorama.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { clockPatternRow, readClockPattern } from '#domain/clock-pattern/clock-pattern.ts';
import { localBlobs } from '#ports/blobs/local-blobs.ts';
import type { JobProgress } from '#ports/jobs/jobs.ts';
import { manifestOf, processesOf, tempFolder } from '../fixtures/central.ts';

t.setTimeout(120_000);

const SIZE = { width: 1280, height: 64 } as const;
const FPS = 30;
const SECONDS = 9;
const START_US = Date.UTC(2024, 2, 15, 14) * 1000;
const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;
/** Later than the first, in frames; between two frames on purpose. */
const LATE = { CAM_L: 0, CAM_C: 7.3, CAM_R: 3.9 } as const;

const timeOf = (frame: number): number => START_US + Math.round((frame * 1e6) / FPS);

/** A film whose frames carry the time of the common grid that is nearest to them; B-frames in it. */
async function clockFilm(folder: string, camera: (typeof CAMERAS)[number]) {
  const path = join(folder, `${camera}.mp4`);
  const ffmpeg = spawn(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'rawvideo', '-pix_fmt', 'gray', '-s', `${SIZE.width}x${SIZE.height}`],
      ...['-r', String(FPS), '-i', '-', '-pix_fmt', 'yuv420p', '-c:v', 'libx264', '-preset', 'veryfast'],
      ...['-g', '45', path],
    ],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  );
  const ended = once(ffmpeg, 'close');
  for (let frame = 0; frame < SECONDS * FPS; frame++) {
    const row = clockPatternRow(timeOf(frame + Math.round(LATE[camera])));
    const picture = Buffer.concat(Array.from({ length: SIZE.height }, () => row));
    if (!ffmpeg.stdin.write(picture)) await once(ffmpeg.stdin, 'drain');
  }
  ffmpeg.stdin.end();
  await ended;
  const film = { path, sizeBytes: 1, sha256: 'a'.repeat(64), ...SIZE, seconds: SECONDS };
  const start = new Date((START_US + (LATE[camera] * 1e6) / FPS) / 1000).toISOString().replace('Z', '000Z');
  const contents = manifestOf(film, { camera, start });
  return { camera_id: camera, part: 1, file: path, sha256: film.sha256, contents };
}

/** The times that each view of each frame shows; the views lie side by side without overlap. */
function clocksOf(file: string, frames: number): (number | undefined)[][] {
  const width = SIZE.width * CAMERAS.length;
  const raw = execFileSync(
    'ffmpeg',
    ['-v', 'error', '-i', file, '-vf', 'extractplanes=y,crop=iw:16:0:0', '-f', 'rawvideo', '-'],
    { maxBuffer: 2 * width * 16 * frames },
  );
  return Array.from({ length: raw.length / (width * 16) }, (_, frame) =>
    CAMERAS.map((_, view) => readClockPattern(raw.subarray(frame * width * 16 + view * SIZE.width), width)),
  );
}

async function place(t: Test, root: string) {
  const store = localBlobs({
    areas: { sessions: join(root, 'sessions'), processing: join(root, 'processing') },
    temp: join(root, 'temp'),
    receives: true,
  });
  await store.start();
  const films = await Promise.all(CAMERAS.map((camera) => clockFilm(root, camera)));
  const { processing } = ServerConfig.parse({
    version: 1,
    server: { host: '127.0.0.1' },
    broker: { host: '127.0.0.1' },
    processing: { ffmpeg_path: 'ffmpeg', output_preset: 'veryfast', stitch_overlap_px: 0, segment_sec: 2 },
  });
  const scratch = join(store.scratch, 'job');
  mkdirSync(scratch);
  const hashes = new Map<string, string>();
  const run = async (
    stopAt?: RegExp,
    codec: 'h264' | 'h265' = 'h264',
    atOnce = 1,
  ): Promise<{ result: PanoramaResult | undefined; log: string[]; progress: JobProgress[] }> => {
    const stop = new AbortController();
    const log: string[] = [];
    const progress: JobProgress[] = [];
    const execute = panoramaExecutor({
      ...{ store, minFreeBytes: 0 },
      processing: { ...processing, parallel_segments: atOnce },
      session: async () => ({ folder: 'GAME', recordings: films }),
      probe: ffprobe('ffmpeg'),
      async noteHash(name, sha256) {
        hashes.set(name, sha256);
      },
      warn: (message) => t.fail(message),
    });
    const result = await execute(
      {
        ...{ kind: 'panorama', job_id: 'job', session_uid: '01HZZZZZZZZZZZZZZZZZZZZZZA', subject: '' },
        ...{ state: 'running', progress: 0, speed: null, remaining_sec: null, attempt: 1, log: [] },
        ...{ result: null, error: null, created_at: '2024-03-15T14:00:00Z', started_at: null },
        ...{ finished_at: null, settings: PanoramaSettings.parse({ calibration: 'none', codec }) },
      },
      {
        scratch,
        signal: stop.signal,
        progress: (now) => void progress.push(now),
        log(line) {
          log.push(line);
          if (stopAt?.test(line)) stop.abort(new Error('enough'));
        },
      },
    ).catch((error: unknown) => {
      t.match(error, { message: 'enough' });
      return undefined;
    });
    return { result, log, progress };
  };
  return { run, scratch, hashes };
}

t.test('segments joined without a seam in time, kept by a run that was stopped', async (t) => {
  const root = await tempFolder(t);
  const { run, scratch, hashes } = await place(t, root);
  /** The n-th segment that is whole, in order of time. */
  const segment = (n: number): string => {
    const firstFrame = (name: string): number => Number(/^segment-(\d+)-/.exec(name)?.[1]);
    const names = readdirSync(join(scratch, 'panorama')).filter((name) => /^segment-.*\.mp4$/.test(name));
    return join(scratch, 'panorama', names.sort((a, b) => firstFrame(a) - firstFrame(b))[n - 1] ?? 'none');
  };

  const stopped = await run(/segment 2 of 4 is encoded/);
  t.equal(stopped.result, undefined);
  t.same(processesOf('ffmpeg', root), [], 'no ffmpeg is left');
  const before = [1, 2].map((n) => statSync(segment(n)));
  const done: number[] = [];
  const { result, log, progress } = await run();
  if (!result) throw new Error('the second run was not stopped');
  for (const line of log) {
    const match = /segment (\d) of 4 is there from an earlier run/.exec(line);
    if (match) done.push(Number(match[1]));
  }
  t.same(done, [1, 2], 'what was whole is not encoded again');
  t.equal(log.filter((line) => /is encoded$/.test(line)).length, 2, 'what is missing is');
  for (const [index, stats] of before.entries())
    t.same(
      [statSync(segment(index + 1)).ino, statSync(segment(index + 1)).mtimeMs],
      [stats.ino, stats.mtimeMs],
    );
  t.ok((progress[0]?.progress ?? 0) > 0.4, `begins at ${progress[0]?.progress}`);
  t.ok(
    progress.every((each, index) => each.progress >= (progress[index - 1]?.progress ?? 0)),
    'progress never goes back',
  );
  t.equal(progress.at(-1)?.progress, 1);

  t.equal(result.segments, 4);
  const sha256 = createHash('sha256').update(readFileSync(result.file)).digest('hex');
  t.same([...hashes.values()], [sha256], 'its hash is noted, so that nobody reads it for that');
  const clocks = clocksOf(result.file, result.frames);
  t.equal(clocks.length, result.frames);
  const firstFrame = Math.round(((clocks[0]?.[0] ?? 0) - START_US) / (1e6 / FPS));
  const wrong = clocks.flatMap((views, frame) =>
    views.every((time) => time === timeOf(firstFrame + frame)) ? [] : [{ frame, views }],
  );
  t.same(wrong, [], 'every view of every frame is one frame after the one before, over all joints');

  const packets = execFileSync('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0'],
    result.file,
  ])
    .toString()
    .trim()
    .split('\n')
    .map(Number.parseFloat)
    .sort((a, b) => a - b);
  t.ok(
    packets.every((at, frame) => Math.abs(at - frame / FPS) < 1e-4),
    'time stamps are those of the grid',
  );

  const other = await run(undefined, 'h265', 2);
  t.notOk(
    other.log.some((line) => /earlier run/.test(line)),
    'other settings take nothing of it',
  );
  const again = other.result ? clocksOf(other.result.file, other.result.frames) : [];
  t.same(again, clocks, 'two segments at once, another codec: the same frames');
});
