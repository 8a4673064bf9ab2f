import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { processesOf, tempFolder } from '../fixtures/central.ts';
import { CAMERAS, clockFilm, clocksOf, FPS, panoramaPlace, timeOf } from '../fixtures/clock-films.ts';

t.setTimeout(120_000);

const SECONDS = 9;
/** Later than the first, in frames; between two frames on purpose. */
const LATE = { CAM_L: 0, CAM_C: 7.3, CAM_R: 3.9 } as const;

t.test('segments joined without a seam in time, kept by a run that was stopped', async (t) => {
  const root = await tempFolder(t);
  const films = await Promise.all(
    CAMERAS.map((camera) => clockFilm(root, { camera, start: LATE[camera], frames: SECONDS * FPS })),
  );
  const { run, scratch, hashes } = await panoramaPlace(t, root, films);
  /** The n-th segment that is whole, in order of time. */
  const segment = (n: number): string => {
    const firstFrame = (name: string): number => Number(/^segment-(\d+)-/.exec(name)?.[1]);
    const names = readdirSync(join(scratch, 'panorama')).filter((name) => /^segment-.*\.mp4$/.test(name));
    return join(scratch, 'panorama', names.sort((a, b) => firstFrame(a) - firstFrame(b))[n - 1] ?? 'none');
  };

  const stopped = await run({}, { stopAt: /segment 2 of 4 is encoded/ });
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
  const firstFrame = Math.round((Number(clocks[0]?.[0]) - timeOf(0)) / (1e6 / FPS));
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

  const other = await run({ codec: 'h265' }, { atOnce: 2 });
  t.notOk(
    other.log.some((line) => /earlier run/.test(line)),
    'other settings take nothing of it',
  );
  const again = other.result ? clocksOf(other.result.file, other.result.frames) : [];
  t.same(again, clocks, 'two segments at once, another codec: the same frames');
});
