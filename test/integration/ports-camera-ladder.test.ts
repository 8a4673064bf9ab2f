import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import { profileKey } from '#domain/ladder/rungs.ts';
import type { CameraOffer, Profile } from '#ports/camera/camera.ts';
import { measureEncoder } from '#ports/camera/measure-encoder.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { createLogger } from '#runtime/logger.ts';
import { createLadder, type Ladder } from '#services/recorder/ladder.ts';
import { childPrograms } from '../fixtures/child-programs.ts';

t.setTimeout(180_000);

const clock = systemClock();
const never = new AbortController().signal;
const dir = t.testdir({});

const profile = (over: Partial<Profile> = {}): Profile => ({
  width: 320,
  height: 180,
  fps: 30,
  codec: 'h264',
  bitrateMbps: 1,
  rung: 'x264-ultrafast',
  ...over,
});
/** No machine encodes this in time. */
const HOPELESS = profile({ width: 7680, height: 4320, fps: 60, codec: 'h265', rung: 'x265-ultrafast' });
const EASY = profile();
const OFFER: CameraOffer = {
  requested: 'h265 7680x4320@60',
  profiles: [HOPELESS, EASY, profile({ fps: 20 })],
};

const ladder = async (
  over: { version?: string; machine?: string; encoder?: string } = {},
): Promise<Ladder> => {
  const made = createLadder({
    camera: CameraConfig.parse({ source: 'rpicam', encoder: over.encoder ?? 'auto' }),
    clock,
    state: localDisk(dir),
    version: over.version ?? '1.0.0',
    machine: over.machine ?? 'a machine',
    log: createLogger({ name: 'recorder', level: 'silent' }),
    seconds: 1,
  });
  await made.load();
  return made;
};

t.test('every rung is measured with the arguments it runs with', async (t) => {
  for (const [rung, codec] of [
    ['x265-ultrafast', 'h265'],
    ['x264-superfast', 'h264'],
    ['x264-ultrafast', 'h264'],
    ['mjpeg-q8', 'mjpeg'],
  ] as const) {
    const result = await measureEncoder(profile({ rung, codec }), { clock, seconds: 1, signal: never });
    t.ok(result.speed > 0 && result.seconds >= 1, `${rung}: ${result.speed} times real time`);
  }
  await t.rejects(
    measureEncoder(profile({ width: 17_000, height: 16 }), { clock, seconds: 1, signal: never }),
    {
      code: 'camera_failed',
      message: /x264-ultrafast ended: exit code/,
    },
  );
});

t.test('a ladder is walked down to what holds, once', async (t) => {
  const first = await ladder();
  t.match(first.choose(OFFER), { reason: 'not measured yet', measured: false, profile: EASY });
  t.equal(first.open(OFFER), true);
  await first.measure(OFFER, never);
  t.equal(first.open(OFFER), false);
  const chosen = first.choose(OFFER);
  t.match(chosen, { profile: EASY, measured: true });
  t.match(chosen.reason, /^x265-ultrafast 7680x4320@60 holds 0\.\d\d times real time/);
  t.ok((first.speedOf(OFFER, EASY) ?? 0) > 1.15);
  t.ok((first.speedOf(OFFER, HOPELESS) ?? 9) < 1);
  t.equal(first.speedOf(OFFER, OFFER.profiles[2] ?? EASY), null, 'what is below is not asked');

  t.same((await ladder()).choose(OFFER), chosen, 'it is known after a restart');
  t.equal((await ladder({ version: '1.0.1' })).open(OFFER), true, 'another version measures again');
  t.equal((await ladder({ machine: 'another' })).open(OFFER), true, 'and another machine');
  t.equal((await ladder()).open({ ...OFFER, requested: 'h264 7680x4320@60' }), true, 'and another wish');
  const byName = await ladder({ encoder: 'x265-ultrafast' });
  t.match(byName.choose(OFFER), { profile: HOPELESS, reason: /as configured/ }, 'one that is named is used');
  t.equal(byName.open(OFFER), false);
  t.equal((await ladder()).open({ requested: 'x', profiles: [profile({ rung: 'copy' })] }), false);
});

t.test('a recording does not wait for a measurement', async (t) => {
  const offer = { ...OFFER, requested: 'something else' };
  const control = new AbortController();
  const reason = new Error('a recording starts');
  const measuring = (await ladder()).measure(offer, control.signal).catch((error: unknown) => error);
  await t.resolveMatch(
    (async () => {
      while (childPrograms().length === 0) await clock.sleepUntil(clock.monoUs() + 5000, 'the encoder');
    })(),
    undefined,
  );
  control.abort(reason);
  t.equal(await measuring, reason);
  t.same(childPrograms(), []);
  t.equal((await ladder()).open(offer), true, 'nothing was learnt');
});

t.test('what was kept and cannot be read is measured again', async (t) => {
  const path = join(dir, 'ladder.json');
  t.ok(readFileSync(path, 'utf8').includes(profileKey(EASY)));
  for (const damage of ['{"v":1,"machi', '{"v":2}', '']) {
    writeFileSync(path, damage);
    t.equal((await ladder()).open(OFFER), true);
  }
});
