import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import type { Camera, CameraStream, FrameSyncRole, Profile } from '#ports/camera/camera.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { cameraConformance } from '#ports/camera/conformance.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { childPrograms, killProgram } from '../fixtures/child-programs.ts';
import { inspect } from '../fixtures/make-video.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';
import { HAWKEYE, NO_CAMERA } from '../fixtures/rpicam-vid/cameras.ts';
import { control } from '../fixtures/rpicam-vid/control.ts';

// The sensor runs in real time.
t.setTimeout(180_000);

const clock = systemClock();
const never = new AbortController().signal;
const dir = t.testdir({});
process.env.PATH = `${join(import.meta.dirname, '../fixtures/rpicam-vid')}:${process.env.PATH}`;
process.env.RPICAM_STAND_IN = dir;
t.afterEach(() => {
  for (const name of readdirSync(dir)) rmSync(join(dir, name));
});

/** Small pictures, so that a busy machine draws them in time; 1280 pixels hold the clock. */
const SMALL = { width: 1280, height: 144, codec: 'h264', frame_sync: false };
const rpicam = (over: object = SMALL): Camera =>
  configuredCamera({ camera: CameraConfig.parse({ source: 'rpicam', ...over }), position: 'center' }, clock);
const offered = async (over: object): Promise<string[]> =>
  (await rpicam(over).probe(never)).profiles.map(
    ({ rung, width, height, fps, bitrateMbps }) => `${rung} ${width}x${height}@${fps} ${bitrateMbps}`,
  );

/** Reads a stream until it has been sending for `seconds`, or ended. */
async function collect(stream: CameraStream, seconds: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.output.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => stream.output.once('close', resolve));
  // Not from its first frame on: an encoder on a busy machine may be seconds behind it.
  await Promise.race([once(stream.output, 'data'), ended]);
  await Promise.race([delay(seconds * 1000), ended]);
  await stream.close();
  await ended;
  return Buffer.concat(chunks);
}

async function record(
  camera: Camera,
  name: string,
  seconds: number,
  with_: { rung?: string; frameSync?: FrameSyncRole } = {},
) {
  const { profiles } = await camera.probe(never);
  const profile = profiles.find(({ rung }) => rung === with_.rung) ?? profiles[0];
  const stream = await camera.open({
    cueMonoUs: clock.monoUs(),
    profile,
    signal: never,
    ...(with_.frameSync ? { frameSync: with_.frameSync } : {}),
  });
  const path = join(dir, name);
  writeFileSync(path, await collect(stream, seconds));
  const failure = await stream.ended;
  if (failure) throw failure;
  return {
    path,
    stream,
    firstFrameMonoUs: await stream.firstFrameMonoUs,
    frames: await readBurnedClock(path),
  };
}

t.test('it is a camera', (t) =>
  cameraConformance(t, { camera: rpicam(), clock, programs: childPrograms, kill: killProgram }),
);

t.test('each rung arrives with the times of its exposures', async (t) => {
  for (const rung of ['x265-ultrafast', 'x264-superfast', 'x264-ultrafast', 'mjpeg-q8']) {
    const camera = rpicam({ ...SMALL, encoder: rung });
    const { path, stream, frames, firstFrameMonoUs } = await record(camera, `${rung}.video`, 1.2);
    t.equal(stream.format, rung === 'mjpeg-q8' ? 'nut' : 'mpegts', rung);
    const [first] = frames;
    if (!first) throw new Error('no frame');
    t.ok(frames.length >= 25, `${frames.length} frames`);
    const offUs = first.epochUs - (clock.wallUs() - clock.monoUs()) - firstFrameMonoUs;
    t.ok(Math.abs(offUs) < 2000, `the first is told to ${offUs} us`);
    const off = frames.map(({ ptsUs, epochUs }) => Math.abs(ptsUs - first.ptsUs - (epochUs - first.epochUs)));
    t.ok(Math.max(...off) < 2000, `the others to ${Math.max(...off)} us`);
    const { hasBFrames, packets } = await inspect(path);
    t.equal(hasBFrames, 0);
    const keys = packets.flatMap(({ keyframe }, n) => (keyframe ? [n] : []));
    const every = rung === 'mjpeg-q8' ? 1 : 15;
    t.ok(keys.length > 1 && keys.every((key, n) => key === n * every), `key frames: ${keys}`);
  }
});

t.test('what the sensor offers decides what is recorded', async (t) => {
  t.same(
    (await offered({ frame_sync: false })).slice(0, 6),
    [
      'x265-ultrafast 2304x1296@30 13.9',
      'x264-superfast 2304x1296@30 13.9',
      'x264-ultrafast 2304x1296@30 13.9',
      'mjpeg-q8 2304x1296@30 82.8',
      'x264-ultrafast 1920x1080@30 10.6',
      'x264-ultrafast 2304x1296@20 10.3',
    ],
    'a sensor that reads 4K at 14 frames per second records fewer pixels, fluently',
  );
  control(dir, { list: HAWKEYE });
  t.match((await offered({ frame_sync: false }))[0], /^x265-ultrafast 3840x2160@20 /);
  t.match((await offered({}))[0], /@19 /, 'with a common beat a mode is not used to its limit');
  t.match(
    (await offered({ encoder: 'x264-superfast' })).join(),
    /^(x264-superfast [^,]+,?)+$/,
    'one rung by name',
  );
  t.match((await rpicam({}).probe(never)).requested, 'h265 3840x2160@30');
});

t.test('a camera that cannot be used says why', async (t) => {
  control(dir, { list: NO_CAMERA });
  await t.rejects(rpicam().probe(never), {
    code: 'camera_missing',
    field: 'camera.number',
    message: /found: none/,
  });
  control(dir, {});
  await t.rejects(rpicam({ ...SMALL, number: 2 }).probe(never), {
    code: 'camera_missing',
    message: /found: 0 \(imx708\)/,
  });
  control(dir, { version: 'v1.7.0 8f9e 01-05-2025 (10:00:00)' });
  await t.rejects(rpicam().probe(never), {
    code: 'program_missing',
    message: /older than 1\.8.*apt-get install -y rpicam-apps/,
  });
  control(dir, {});

  const camera = rpicam();
  const [profile] = (await camera.probe(never)).profiles;
  const open = (over: Partial<Profile> = {}): Promise<CameraStream> =>
    camera.open({ cueMonoUs: clock.monoUs(), profile: { ...profile, ...over }, signal: never });
  const first = await open();
  await first.firstFrameMonoUs;
  const second = await open();
  t.match(await second.ended, { code: 'camera_failed', message: /failed to acquire camera/ }, 'in use');
  control(dir, { now: 'crash' });
  t.match(await first.ended, { code: 'camera_failed', message: /SIGSEGV/ }, 'crashed');
  await Promise.all([first.close(), second.close()]);
  t.same(childPrograms(), []);
});

t.test('a camera that sends nothing more is closed at once', async (t) => {
  const camera = rpicam();
  const [profile] = (await camera.probe(never)).profiles;
  const stream = await camera.open({ cueMonoUs: clock.monoUs(), profile, signal: never });
  await stream.firstFrameMonoUs;
  control(dir, { now: 'stall' });
  await stream.close('at-once');
  t.same(childPrograms(), []);
});

t.test('with a common beat, clients wait for the server and expose with it', async (t) => {
  control(dir, { readyFrames: 60 });
  const config = { ...SMALL, frame_sync: true };
  const lists = ['0', '1'].map((n) => ({ ...config, number: Number(n) }));
  control(dir, {
    readyFrames: 60,
    list: "0 : imx708 [x] (/a)\n    Modes: 'SRGGB10_CSI2P' : 2304x1296 [56.03 fps - (0, 0)/4608x2592 crop]\n1 : imx708 [x] (/b)\n    Modes: 'SRGGB10_CSI2P' : 2304x1296 [56.03 fps - (0, 0)/4608x2592 crop]\n",
  });
  const [server, client] = lists.map((over) => rpicam(over));
  if (!server || !client) throw new Error('two cameras');
  let clientBegan = false;
  const waiting = record(client, 'client.ts', 2, { frameSync: 'client' });
  waiting.then(
    () => {
      clientBegan = true;
    },
    () => undefined,
  );
  await delay(1500);
  t.equal(clientBegan, false);
  const leading = await record(server, 'server.ts', 2, { frameSync: 'server' });
  const following = await waiting;
  t.equal(leading.stream.frameSynced?.(), true);
  t.equal(following.stream.frameSynced?.(), true);
  const periodUs = 1e6 / 30;
  const phases = following.frames.map(({ epochUs }) => {
    const apart = (((epochUs - (leading.frames[0]?.epochUs ?? 0)) % periodUs) + periodUs) % periodUs;
    return Math.min(apart, periodUs - apart);
  });
  t.ok(Math.max(...phases) < 2000, `exposed together to ${Math.max(...phases)} us`);
  const alone = await record(rpicam(), 'alone.ts', 0.5);
  t.equal(alone.stream.frameSynced?.(), false, 'and says nothing of the kind alone');
});
