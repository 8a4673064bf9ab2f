import { execFileSync } from 'node:child_process';
import { readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { keptCalibrations } from '#central/panorama/kept-calibrations.ts';
import { momentFrames } from '#central/panorama/moments.ts';
import type { Source } from '#central/panorama/plan.ts';
import { makeFilm, manifestOf, tempFolder } from '../fixtures/central.ts';
import {
  CAMERAS,
  type ClockFilm,
  clockFilm,
  clocksOf,
  FPS,
  panoramaPlace,
  timeOf,
  wireStart,
} from '../fixtures/clock-films.ts';

t.setTimeout(120_000);

/** For some frames all are missing at once. The manifest of CAM_R's first part says a little too much, as one does that was made after a crash. */
const FILMS: readonly ClockFilm[] = [
  { camera: 'CAM_L', start: 0, frames: 120 },
  { camera: 'CAM_L', part: 2, start: 126.2, frames: 145 },
  { camera: 'CAM_C', start: 7.3, frames: 110 },
  { camera: 'CAM_C', part: 2, start: 140.3, frames: 130 },
  { camera: 'CAM_R', start: 3.9, frames: 100, saidFrames: 106 },
  { camera: 'CAM_R', part: 2, start: 128.45, frames: 130 },
];
/** The last that begins is CAM_C, the first that ends for good CAM_R. */
const FIRST = 7;
const LAST = 257;

/** What each view of a frame of the grid is to show. */
const expected = (frame: number): (number | 'black')[] =>
  CAMERAS.map((camera) =>
    FILMS.some((film) => {
      const start = Math.round(film.start);
      return film.camera === camera && frame >= start && frame < start + film.frames;
    })
      ? timeOf(frame)
      : 'black',
  );

const extradataOf = (file: string): string =>
  execFileSync('ffprobe', [
    ...['-v', 'error', '-show_data_hash', 'md5', '-show_entries', 'stream=extradata_hash', '-of', 'csv=p=0'],
    file,
  ]).toString();

t.test('cameras that restarted: all of the match, black where one is missing', async (t) => {
  const root = await tempFolder(t);
  const films = await Promise.all(FILMS.map((film) => clockFilm(root, film)));
  const { run, scratch } = await panoramaPlace(t, root, films);

  const stopped = await run({}, { stopAt: /segment 5 of 9 is encoded/ });
  t.equal(stopped.result, undefined);
  const names = readdirSync(join(scratch, 'panorama')).filter((name) => /^segment-.*\.mp4$/.test(name));
  t.same(
    names.sort(),
    ['segment-0-60.mp4', 'segment-110-3.mp4', 'segment-113-6.mp4', 'segment-60-37.mp4', 'segment-97-13.mp4'],
    'cut at the borders',
  );
  t.equal(
    new Set(names.map((name) => extradataOf(join(scratch, 'panorama', name)))).size,
    1,
    'with black or without, the encoder writes the same head: they can be joined',
  );
  const { result, log } = await run();
  if (!result) throw new Error('the second run was not stopped');
  t.equal(
    log.filter((line) => /is there from an earlier run/.test(line)).length,
    5,
    'kept segments are used',
  );

  t.match(result, {
    segments: 9,
    frames: LAST + 1 - FIRST,
    from: wireStart(7.3).slice(0, 23),
    notes: [
      'CAM_L is missing from 0:03.8 to 0:04.0',
      'CAM_C is missing from 0:03.7 to 0:04.4',
      'CAM_R is missing from 0:03.2 to 0:04.0',
    ],
  });
  t.same(
    result.missing.map(({ camera_id, from, to }) => [
      camera_id,
      ...[from, to].map((at) => Math.round(((Date.parse(at) - Date.parse(result.from)) * FPS) / 1000)),
    ]),
    [
      ['CAM_L', 113, 119],
      ['CAM_C', 110, 133],
      ['CAM_R', 97, 121],
    ],
  );
  const clocks = clocksOf(result.file, result.frames);
  t.equal(clocks.length, result.frames);
  const wrong = clocks.flatMap((views, frame) => {
    const right = expected(FIRST + frame);
    return views.every((view, index) => view === right[index]) ? [] : [{ frame, views, right }];
  });
  t.same(wrong, [], 'every view of every frame shows its time or black');

  const other = await run({ codec: 'h265' }, { atOnce: 2 });
  t.same(
    other.result ? clocksOf(other.result.file, other.result.frames) : [],
    clocks,
    'another codec: the same',
  );
});

t.test('a part that cannot be opened is left out, and told', async (t) => {
  const root = await tempFolder(t);
  const films = await Promise.all(FILMS.map((film) => clockFilm(root, film)));
  truncateSync(join(root, 'CAM_R-1.mp4'), 2000);
  const { run } = await panoramaPlace(t, root, films);
  const { result } = await run();
  t.match(result, {
    from: wireStart(128.45).slice(0, 23),
    notes: [
      /^CAM_R part 1 is left out: the file cannot be opened/,
      /^CAM_C is missing from 0:00.0 to 0:00.4$/,
    ],
  });
});

t.test('on the cylinder black stays black, whatever is done to the levels of the camera', async (t) => {
  const root = await tempFolder(t);
  const WIDTH = 320;
  const HEIGHT = 180;
  const film = (
    camera: (typeof CAMERAS)[number],
    part: number,
    color: string,
    start: number,
    seconds: number,
    scale = 1,
  ) => {
    const made = makeFilm(join(root, `${camera}-${part}.mp4`), {
      source: `color=c=${color}`,
      seconds,
      width: WIDTH * scale,
      height: HEIGHT * scale,
    });
    const contents = manifestOf(made, { camera, start: wireStart(start) });
    return { camera_id: camera, part, file: made.path, sha256: made.sha256, contents } satisfies Source;
  };
  const films = [
    film('CAM_L', 1, '0x707050', 0, 3),
    film('CAM_C', 1, '0x707070', 0, 3),
    film('CAM_R', 1, '0x507070', 0, 1),
    film('CAM_R', 2, '0x507070', 2 * FPS, 1, 2),
  ];
  const { run, store } = await panoramaPlace(t, root, films);
  const size = { width: WIDTH, height: HEIGHT, hfov_deg: 60, pitch_deg: 0, roll_deg: 0 };
  const fit = { control_points: 50, rms_px: 1, max_px: 2 };
  const kept = await keptCalibrations(store, (message) => t.fail(message)).keep({
    v: 1,
    made_at: '2024-03-15T14:00:00.000000Z',
    rig: 'demo',
    session_uid: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
    cameras: CAMERAS.map((camera_id, index) => ({ camera_id, ...size, yaw_deg: 45 * (index - 1) })),
    ...fit,
    seams: [
      { left: 'CAM_L', right: 'CAM_C', ...fit, overlap_deg: 15 },
      { left: 'CAM_C', right: 'CAM_R', ...fit, overlap_deg: 15 },
    ],
  });
  const { result } = await run({ calibration: kept.calibration_id, overlap_px: 20 });
  if (!result) throw new Error('it was not stopped');
  t.match(result, {
    layout: 'cylindrical',
    frames: 90,
    notes: [
      'CAM_R part 2 is 640x360: it is scaled to 320x180, as the rest',
      'CAM_R is missing from 0:01.0 to 0:02.0',
    ],
  });
  const right = result.exposure[2];
  t.ok(right && right.v_offset > 5, `CAM_R is matched to the middle: ${JSON.stringify(right)}`);

  const raw = execFileSync('ffmpeg', ['-v', 'error', '-i', result.file, '-f', 'rawvideo', '-'], {
    maxBuffer: 2 ** 30,
  });
  const luma = result.width * result.height;
  /** Luma and chroma at a share of the width, half way down. */
  const at = (frame: number, share: number): number[] => {
    const start = frame * luma * 1.5;
    const [x, y] = [Math.floor(result.width * share), Math.floor(result.height / 2)];
    const chroma = Math.floor(y / 2) * (result.width / 2) + Math.floor(x / 2);
    return [start + y * result.width + x, start + luma + chroma, start + luma * 1.25 + chroma].map(
      (index) => raw[index] ?? Number.NaN,
    );
  };
  const isNear = (some: number[], others: number[]): boolean =>
    some.every((level, index) => Math.abs(level - (others[index] ?? 0)) <= 2);
  for (const frame of [0, 29, 30, 45, 59, 60, 89]) {
    const isMissing = frame >= 30 && frame < 60;
    const [left, middle, last] = [at(frame, 0.1), at(frame, 0.5), at(frame, 0.9)];
    t.ok(isNear(left, middle), `frame ${frame}: ${left} on the left, ${middle} in the middle`);
    t.ok(isNear(last, isMissing ? [16, 128, 128] : middle), `frame ${frame}: ${last} on the right`);
  }
});

t.test('cameras are compared in moments that all show, away from where one stops or starts', async (t) => {
  t.same(momentFrames([{ firstFrame: 0, frames: 900 }], 3), [150, 450, 750], 'no borders: spread evenly');
  const stretches = [
    { firstFrame: 0, frames: 455 },
    { firstFrame: 1000, frames: 20 },
    { firstFrame: 2000, frames: 425 },
  ];
  t.same(momentFrames(stretches, 3), [150, 394, 2275]);
  t.same(momentFrames(stretches.slice(1, 2), 1), [1010]);
  t.same(
    momentFrames(
      [
        { firstFrame: 7, frames: 1 },
        { firstFrame: 9, frames: 1 },
      ],
      4,
    ),
    [7, 9],
  );
});
