import t from 'tap';
import { chooseProfile, HOLDS_AT_SPEED, type Measurement, stepDown } from '#domain/ladder/choose.ts';
import { ladderFor, type SensorMode, type Wanted } from '#domain/ladder/ladder.ts';
import { type LadderProfile, loadOf, profileKey, RUNGS } from '#domain/ladder/rungs.ts';
import { type StrainSample, strainDetector } from '#domain/ladder/strain.ts';

const WANTED: Wanted = {
  width: 3840,
  height: 2160,
  fps: 30,
  codec: 'h265',
  encoder: 'auto',
  bitrateMbps: 30,
};
/** As the drivers tell them. */
const CAMERA_MODULE_3: SensorMode[] = [
  { width: 1536, height: 864, fps: 120.13 },
  { width: 2304, height: 1296, fps: 56.03 },
  { width: 4608, height: 2592, fps: 14.35 },
];
const HAWKEYE: SensorMode[] = [
  { width: 1920, height: 1080, fps: 60 },
  { width: 2312, height: 1736, fps: 30 },
  { width: 3840, height: 2160, fps: 20 },
  { width: 9152, height: 6944, fps: 2.7 },
];
const IDEAL: SensorMode[] = [{ width: 4056, height: 3040, fps: 60 }];

const ladder = (modes: SensorMode[], over: Partial<Wanted> = {}, follows = false): LadderProfile[] =>
  ladderFor({ wanted: { ...WANTED, ...over }, modes, scales: true, follows });
const names = (profiles: LadderProfile[]): string[] => profiles.map(profileKey);
const nonEmpty = (profiles: LadderProfile[]): [LadderProfile, ...LadderProfile[]] => {
  const [first, ...rest] = profiles;
  if (!first) throw new Error('an empty ladder');
  return [first, ...rest];
};

t.test('a ladder goes from what is wanted downwards', async (t) => {
  t.same(names(ladder(IDEAL)).slice(0, 6), [
    'x265-ultrafast 3840x2160@30',
    'x264-superfast 3840x2160@30',
    'x264-ultrafast 3840x2160@30',
    'mjpeg-q8 3840x2160@30',
    'x264-ultrafast 3840x2160@20',
    'x264-ultrafast 2560x1440@30',
  ]);
  for (const modes of [IDEAL, HAWKEYE, CAMERA_MODULE_3])
    for (const codec of ['h265', 'h264', 'mjpeg'] as const)
      for (const follows of [false, true]) {
        const profiles = ladder(modes, { codec }, follows);
        t.ok(profiles.length > 3);
        t.equal(profiles[0]?.codec, codec);
        const loads = profiles.map(loadOf);
        t.same(
          loads,
          [...new Set(loads)].sort((a, b) => b - a),
          'each step asks less of the machine',
        );
        for (const { width, height, fps } of profiles) {
          t.ok(
            modes.some((mode) => mode.width >= width && mode.height >= height && mode.fps >= fps),
            'and is within what the sensor offers',
          );
          t.ok(width <= 3840 && height <= 2160 && fps <= 30 && width % 2 === 0 && height % 2 === 0);
          if (follows)
            t.ok(
              modes.some((mode) => mode.width >= width && mode.fps > fps),
              'below the limit of the mode',
            );
        }
      }
});

t.test('what the sensor cannot do fluently is not chosen for its size', async (t) => {
  t.equal(
    names(ladder(CAMERA_MODULE_3))[0],
    'x265-ultrafast 2304x1296@30',
    '4K at 14 frames per second is none',
  );
  t.equal(names(ladder(HAWKEYE))[0], 'x265-ultrafast 3840x2160@20');
  t.equal(names(ladder(HAWKEYE, { fps: 60 }))[0], 'x265-ultrafast 1920x1080@60');
  t.equal(
    names(ladder([{ width: 4608, height: 2592, fps: 14.35 }]))[0],
    'x265-ultrafast 3840x2160@14',
    'unless there is nothing else',
  );
  t.same(ladder([]), []);
});

t.test('a camera that does not scale offers its own sizes', async (t) => {
  const modes = [
    { width: 1920, height: 1080, fps: 5 },
    { width: 1280, height: 720, fps: 30 },
    { width: 640, height: 480, fps: 30 },
  ];
  const wanted = { ...WANTED, width: 1920, height: 1080, codec: 'h264' as const };
  const found = ladderFor({ wanted, modes, scales: false });
  t.equal(names(found)[0], 'x264-superfast 1280x720@30');
  t.same([...new Set(found.map(({ width }) => width))], [1280, 640]);
  const tiny = ladderFor({ wanted: { ...wanted, width: 320, height: 240 }, modes, scales: false });
  t.equal(tiny[0]?.width, 640, 'the smallest there is');
});

t.test('a rung by name is the only one; rates follow the picture', async (t) => {
  t.ok(ladder(IDEAL, { encoder: 'x264-superfast' }).every(({ rung }) => rung === 'x264-superfast'));
  t.same(ladder(IDEAL, { encoder: 'no-such' }), []);
  const [best] = ladder(IDEAL);
  t.equal(best?.bitrateMbps, 30, 'the wanted rate at the wanted size');
  const small = ladder(IDEAL).find(({ width, fps }) => width === 1920 && fps === 30);
  t.ok(
    (small?.bitrateMbps ?? 0) > 30 / 4 && (small?.bitrateMbps ?? 99) < 15,
    `${small?.bitrateMbps} Mbit/s at 1080p`,
  );
});

t.test('the choice is the best that was measured to hold', async (t) => {
  const profiles = nonEmpty(ladder(IDEAL));
  const measured = (...speeds: (number | [number, number])[]): Record<string, Measurement> =>
    Object.fromEntries(
      speeds.map((entry, n) => {
        const [speed, dropped] = typeof entry === 'number' ? [entry, 0] : entry;
        return [profileKey(profiles[n] ?? profiles[0]), { speed, dropped }];
      }),
    );
  const chosen = (measurements: Record<string, Measurement>, named = false) =>
    chooseProfile({ profiles, measurements, named });

  t.match(chosen(measured(HOLDS_AT_SPEED)), { profile: profiles[0], reason: null, measured: true });
  t.match(chosen(measured(1.14, 1.6)), {
    profile: profiles[1],
    reason: 'x265-ultrafast 3840x2160@30 holds 1.14 times real time',
    measured: true,
  });
  t.match(
    chosen(measured([2, 3], 1.2)),
    { profile: profiles[1], reason: /loses 3 pictures/ },
    'a drop counts',
  );

  const unmeasured = chosen({});
  t.match(unmeasured, { reason: 'not measured yet', measured: false });
  t.match(unmeasured.profile, { rung: 'x264-ultrafast', height: 1080, fps: 30 }, 'a safe start');
  t.match(
    chosen(measured(0.2, 0.5)),
    { reason: /holds 0\.50 .*not measured yet/, measured: false },
    'given up half way',
  );

  const nothing = chosen(measured(...profiles.map(() => 0.3)));
  t.match(
    nothing,
    { profile: profiles.at(-1), measured: true, reason: /holds 0\.30/ },
    'the lightest loses least',
  );
  t.match(chosen(measured(0.4), true), { profile: profiles[0], measured: true, reason: /as configured/ });
  t.match(chosen({}, true), { profile: profiles[0], measured: false, reason: null });

  const copy: LadderProfile = {
    width: 3840,
    height: 2160,
    fps: 25,
    codec: 'h264',
    bitrateMbps: 8,
    rung: 'copy',
  };
  t.match(chooseProfile({ profiles: [copy], measurements: {} }), { profile: copy, reason: null });
});

t.test('a step down is the next that asks less, until there is none', async (t) => {
  const profiles = nonEmpty(ladder(HAWKEYE));
  t.equal(stepDown(profiles, profiles[0]), profiles[1]);
  t.equal(stepDown(profiles, profiles.at(-1) ?? profiles[0]), undefined);
  t.same(
    RUNGS.map(({ cost }) => cost),
    RUNGS.map(({ cost }) => cost).sort((a, b) => b - a),
  );
});

/** Looks once a second. */
const feed = (of: (second: number) => Partial<StrainSample>, seconds: number, fromSec = 0) => {
  const detector = strainDetector();
  const verdicts: string[] = [];
  const look = (second: number, given = of(second)): string => {
    const strain = detector.push({
      atUs: second * 1e6,
      expected: 30,
      seen: 30,
      backlogUs: 200_000,
      ...given,
    });
    verdicts.push(strain.verdict === 'holds' ? 'holds' : strain.reason);
    return verdicts.at(-1) ?? '';
  };
  for (let n = fromSec; n < fromSec + seconds; n++) look(n);
  return { detector, verdicts, look, last: verdicts.at(-1) ?? '' };
};

t.test('an encoder that loses frames again and again is stepped down, others are left alone', async (t) => {
  t.equal(feed(() => ({}), 120).last, 'holds');
  t.equal(feed((n) => ({ seen: n === 30 ? 0 : 30 }), 120).last, 'holds', 'one second lost');
  t.equal(feed((n) => ({ seen: n % 10 === 0 ? 29 : 30 }), 300).last, 'holds', 'single frames');
  t.equal(feed((n) => ({ seen: n % 2 === 0 ? 20 : 40 }), 120).last, 'holds', 'late, but not lost');
  t.match(feed(() => ({ seen: 28 }), 60).last, /frames were lost in 20 s/);
  t.ok(
    feed(() => ({ seen: 28 }), 3).verdicts.every((verdict) => verdict === 'holds'),
    'not at once',
  );
  t.match(feed((n) => ({ backlogUs: n * 200_000 }), 60).last, /fell behind/);
  t.equal(feed((n) => ({ backlogUs: n < 5 ? 0 : 900_000 }), 60).last, 'holds', 'behind, but no further');

  const { detector, look } = feed(() => ({ seen: 20 }), 30);
  t.match(look(30, {}), /lost/, 'it stays told until the file is changed');
  detector.reset(31e6);
  t.equal(look(32, { seen: 0 }), 'holds', 'then the machine may settle');
  for (let n = 62; n < 70; n++) look(n, { seen: 20 });
  t.match(look(70, { seen: 20 }), /lost/, 'and is judged anew');
});
