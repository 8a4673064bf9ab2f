import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import type { Camera, Profile } from '#ports/camera/camera.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { cameraConformance } from '#ports/camera/conformance.ts';
import { fileCamera } from '#ports/camera/file.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { runProgram } from '#ports/program/program.ts';
import { killProgram as kill, childPrograms as programs } from '../fixtures/child-programs.ts';
import { CAMERA_LIKE, inspect, makeTimedFilm, makeVideo, picturesOf } from '../fixtures/make-video.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';

// These films play at the pace of real time.
t.setTimeout(120_000);

const clock = systemClock();
const never = new AbortController().signal;
const dir = t.testdir({ 'notes.mp4': 'these are notes and no video', 'empty.mp4': '', folder: {} });
const at = (name: string): string => join(dir, name);
const film = (name: string): Camera => fileCamera({ path: at(name), bitrateMbps: 2, clock });
const pattern = (over: object = {}): Camera =>
  configuredCamera(
    {
      camera: CameraConfig.parse({ source: 'test-pattern', height: 144, bitrate_mbps: 1, ...over }),
      position: 'right',
    },
    clock,
  );

const best = async (camera: Camera): Promise<Profile> => (await camera.probe(never)).profiles[0];

/** Lets a camera run and keeps what it sends. `cueMs`: from now to the first frame of a film. `seconds`: from the first frame, or from what happened `during` it. */
async function watch(
  camera: Camera,
  name: string,
  seconds: number,
  cueMs = 250,
  during?: () => Promise<void>,
) {
  const profile = await best(camera);
  const cueMonoUs = clock.monoUs() + cueMs * 1000;
  const stream = await camera.open({ cueMonoUs, profile, signal: never });
  const chunks: Buffer[] = [];
  const arrivals: number[] = [];
  stream.output.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    arrivals.push(clock.monoUs());
  });
  const firstFrameMonoUs = await stream.firstFrameMonoUs;
  // On a busy machine an encoder starts late: what counts is how long it has been sending.
  while (arrivals.length === 0) await once(stream.output, 'data');
  await during?.();
  const fromUs = Math.max(firstFrameMonoUs, (during ? clock.monoUs() : arrivals[0]) ?? 0);
  await clock.sleepUntil(fromUs + seconds * 1e6, 'end of the watch');
  await stream.close();
  const failure = await stream.ended;
  if (failure) throw failure;
  writeFileSync(at(name), Buffer.concat(chunks));
  return { path: at(name), cueMonoUs, firstFrameMonoUs, arrivals };
}

/** Differences between neighbours. */
const steps = (values: number[]): number[] => values.slice(1).map((value, n) => value - (values[n] ?? 0));

t.before(async () => {
  await Promise.all([
    makeVideo(at('camera-like.mp4'), { args: CAMERA_LIKE, seconds: 4 }),
    makeVideo(at('reordered.mp4'), {
      args: [...CAMERA_LIKE.slice(0, 2), '-bf', '2', '-g', '12', '-pix_fmt', 'yuv420p'],
    }),
    makeVideo(at('rare-keys.mp4'), { args: [...CAMERA_LIKE, '-g', '250'], seconds: 4 }),
    makeVideo(at('mpeg2.mpg'), { args: ['-c:v', 'mpeg2video', '-b:v', '1M'] }),
    makeVideo(at('vp9.webm'), {
      args: ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8'],
      size: '160x90',
    }),
    makeVideo(at('prores.mov'), { args: ['-c:v', 'prores', '-pix_fmt', 'yuv422p10le'] }),
    makeVideo(at('odd.mp4'), { args: ['-c:v', 'libx264', '-pix_fmt', 'yuv444p'], size: '321x181' }),
    makeVideo(at('ntsc.mp4'), { args: ['-c:v', 'mpeg4', '-b:v', '1M'], rate: '30000/1001' }),
    makeVideo(at('uneven.mp4'), {
      args: [...CAMERA_LIKE, '-vf', "select='not(eq(mod(n,3),1))'", '-fps_mode', 'vfr'],
    }),
    makeVideo(at('still.png'), { args: ['-frames:v', '1'] }),
    makeVideo(at('still.jpg'), { args: ['-frames:v', '1'] }),
    runProgram('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=d=1', at('sound.wav')]),
    makeTimedFilm(at('timed.mp4'), { frames: 25, fps: 25, args: CAMERA_LIKE }),
    makeTimedFilm(at('timed.mkv'), { frames: 25, fps: 25, args: ['-c:v', 'ffv1', '-pix_fmt', 'yuv420p'] }),
  ]);
  // The same pictures, with the note that they are to be turned.
  await runProgram('ffmpeg', [
    ...[
      '-v',
      'error',
      '-i',
      at('camera-like.mp4'),
      '-c',
      'copy',
      '-metadata:s:v:0',
      'rotate=90',
      at('sideways.mp4'),
    ],
  ]);
  await runProgram('ffmpeg', [
    ...[
      '-v',
      'error',
      '-i',
      at('sound.wav'),
      '-i',
      at('still.jpg'),
      '-map',
      '0',
      '-map',
      '1',
      '-c:v',
      'copy',
    ],
    ...['-disposition:v', 'attached_pic', at('cover.mp3')],
  ]);
});

for (const scene of ['bars', 'pitch'])
  t.test(`the test pattern with ${scene} is a camera`, (t) =>
    cameraConformance(t, { camera: pattern({ scene }), clock, programs, kill }),
  );
t.test('a film is a camera', async (t) => {
  await cameraConformance(t, { camera: film('camera-like.mp4'), clock, programs, kill });
  await cameraConformance(t, { camera: film('mpeg2.mpg'), clock, programs, kill });
});

for (const scene of ['bars', 'pitch']) {
  t.test(
    `each frame of the test pattern with ${scene} shows when it was exposed, and its time stamp says the same`,
    async (t) => {
      const { path, firstFrameMonoUs } = await watch(pattern({ scene }), `${scene}.ts`, 1.2);
      const frames = await readBurnedClock(path);
      const wallMinusMonoUs = clock.wallUs() - clock.monoUs();
      const [first] = frames;
      if (!first) throw new Error('no frame');
      t.ok(frames.length >= 30, `${frames.length} frames`);
      const firstOffUs = first.epochUs - wallMinusMonoUs - firstFrameMonoUs;
      t.ok(Math.abs(firstOffUs) < 2000, `the first frame is told to ${firstOffUs} us`);
      const off = frames.map(({ ptsUs, epochUs }) =>
        Math.abs(ptsUs - first.ptsUs - (epochUs - first.epochUs)),
      );
      t.ok(Math.max(...off) < 2000, `time stamps follow the exposures to ${Math.max(...off)} us`);
      const { width, height, codec, hasBFrames, packets } = await inspect(path);
      t.same(
        { width, height, codec, hasBFrames },
        { width: 1280, height: 144, codec: 'h264', hasBFrames: 0 },
      );
      const keys = packets.flatMap(({ keyframe }, n) => (keyframe ? [n] : []));
      t.ok(keys[0] === 0 && steps(keys).every((step) => step === 15), `key frames twice a second: ${keys}`);
    },
  );

  t.test(
    `frames of ${scene} that are lost leave a gap in the time stamps, and the clock of the others stays right`,
    async (t) => {
      const { path } = await watch(pattern({ scene }), `stalled-${scene}.ts`, 0.8, 0, async () => {
        const [encoder = 0] = programs();
        process.kill(encoder, 'SIGSTOP');
        await delay(3000);
        process.kill(encoder, 'SIGCONT');
      });
      const frames = await readBurnedClock(path);
      const gaps = steps(frames.map(({ epochUs }) => epochUs)).filter((step) => step > 50_000);
      t.ok(gaps.length > 0 && Math.max(...gaps) > 200_000, `gaps of ${gaps} us`);
      const [first] = frames;
      const off = frames.map(({ ptsUs, epochUs }) =>
        Math.abs(ptsUs - (first?.ptsUs ?? 0) - (epochUs - (first?.epochUs ?? 0))),
      );
      t.ok(Math.max(...off) < 2000, `the film is not shortened: off by ${Math.max(...off)} us`);
    },
  );
}

t.test('closed at once, a camera does not wait for a program that hears nothing', async (t) => {
  for (const make of [() => pattern(), () => film('camera-like.mp4')]) {
    const open = async () => {
      const camera = make();
      const profile = await best(camera);
      const stream = await camera.open({ cueMonoUs: clock.monoUs(), profile, signal: never });
      await stream.firstFrameMonoUs;
      return stream;
    };
    const [asked, ended] = [await open(), await open()];
    for (const pid of programs()) {
      process.kill(pid, 'SIGSTOP');
      // Of two signals that wait, the other may come first.
      while (!/\) T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await delay(5);
    }
    const orderly = asked.close();
    const atOnce = ended.close('at-once');
    const first = await Promise.race([orderly.then(() => 'orderly'), atOnce.then(() => 'at once')]);
    t.equal(first, 'at once', make().source);
    await Promise.all([orderly, atOnce]);
    t.same(programs(), []);
  }
});

t.test('what a camera could have sent is replayed as it is', async (t) => {
  t.match(await best(film('camera-like.mp4')), { width: 320, height: 180, fps: 25, codec: 'h264' });
  const { path, cueMonoUs, firstFrameMonoUs } = await watch(film('camera-like.mp4'), 'replayed.ts', 1);
  t.equal(firstFrameMonoUs, cueMonoUs, 'its first frame belongs to the cue');
  const pictures = await picturesOf(path);
  t.ok(pictures.length >= 22, `${pictures.length} pictures`);
  t.same(
    pictures,
    (await picturesOf(at('camera-like.mp4'))).slice(0, pictures.length),
    'picture by picture the same',
  );
});

t.test(
  'everything else is encoded: even sizes, its own rate, no reordering, frequent key frames',
  async (t) => {
    const even = { width: 320, height: 180 };
    const check = async (name: string, size: object, rate: number): Promise<void> => {
      const mode = await best(film(name));
      t.match(
        mode,
        { ...size, fps: Math.round(rate), codec: 'h264', bitrateMbps: 2 },
        `${name}: known before`,
      );
      const { path } = await watch(film(name), `${name}.ts`, 1);
      const { codec, width, height, hasBFrames, packets } = await inspect(path);
      t.same({ codec, width, height, hasBFrames }, { codec: 'h264', ...size, hasBFrames: 0 }, name);
      const apart = steps(packets.map(({ ptsSec }) => ptsSec));
      t.ok(
        packets.length > 10 && apart.every((sec) => Math.abs(sec - 1 / rate) < 0.002),
        `${name}: ${rate} fps`,
      );
      const keys = packets.filter(({ keyframe }) => keyframe).map(({ ptsSec }) => ptsSec);
      t.ok(packets[0]?.keyframe && keys.length >= 2, `${name}: ${keys.length} key frames`);
      await picturesOf(path);
    };
    await Promise.all([
      check('reordered.mp4', even, 25),
      check('rare-keys.mp4', even, 25),
      check('mpeg2.mpg', even, 25),
      check('vp9.webm', { width: 160, height: 90 }, 25),
      check('prores.mov', even, 25),
      check('odd.mp4', even, 25),
      check('ntsc.mp4', even, 30_000 / 1001),
      check('sideways.mp4', { width: 180, height: 320 }, 25),
    ]);
    t.equal((await best(film('uneven.mp4'))).bitrateMbps, 2, 'a film of uneven beat is encoded too');
  },
);

t.test('a short film goes round, at the pace of a camera, without a frame too many or too few', async (t) => {
  const check = async (name: string): Promise<void> => {
    const { path, firstFrameMonoUs, cueMonoUs, arrivals } = await watch(film(name), `${name}.ts`, 2.5);
    const { packets } = await inspect(path);
    const apart = steps(packets.map(({ dtsSec }) => dtsSec));
    t.ok(
      apart.every((sec) => Math.abs(sec - 0.04) < 0.002),
      `${name}: even time stamps, the seams included`,
    );
    const shown = (await readBurnedClock(path)).map(({ epochUs }) => epochUs);
    t.ok(shown.length > 50, `${name}: more than twice round (${shown.length} frames)`);
    const wanted = shown.map((_, n) => (n % 25) * 40_000);
    t.same(shown, wanted, `${name}: every frame once, in order`);
    t.equal(firstFrameMonoUs, cueMonoUs);
    const lastUs = (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
    const sentUs = ((packets.at(-1)?.ptsSec ?? 0) - (packets[0]?.ptsSec ?? 0)) * 1e6;
    t.ok(Math.abs(lastUs - sentUs) < 400_000, `${name}: ${sentUs} us of film in ${lastUs} us`);
  };
  await Promise.all([check('timed.mp4'), check('timed.mkv')]);
});

t.test('a film that is opened late is where it would be by now', async (t) => {
  const check = async (name: string): Promise<void> => {
    const { path, cueMonoUs, firstFrameMonoUs } = await watch(film(name), `late-${name}.ts`, 0.7, -3300);
    const [first] = await readBurnedClock(path);
    t.ok(firstFrameMonoUs - cueMonoUs > 3_300_000, `${name}: not from its beginning`);
    const wantedUs = (firstFrameMonoUs - cueMonoUs) % 1_000_000;
    const offUs = Math.abs((first?.epochUs ?? -1) - wantedUs);
    t.ok(offUs <= 45_000, `${name}: shows ${first?.epochUs} where ${wantedUs} belongs`);
  };
  await Promise.all([check('timed.mp4'), check('timed.mkv')]);
});

t.test('opening waits for the cue, and can be given up', async (t) => {
  const control = new AbortController();
  const reason = new Error('the start was called off');
  const profile = await best(film('camera-like.mp4'));
  const opening = film('camera-like.mp4').open({
    cueMonoUs: clock.monoUs() + 60_000_000,
    profile,
    signal: control.signal,
  });
  await film('camera-like.mp4').probe(never);
  control.abort(reason);
  t.equal(await opening.catch((error: unknown) => error), reason);
  t.same(programs(), []);
});

t.test('what is no video is named, with the reason', async (t) => {
  for (const [name, why] of [
    ['notes.mp4', /cannot read it.*moov|Invalid data/],
    ['empty.mp4', /cannot read it/],
    ['gone.mp4', /No such file/],
    ['folder', /cannot read it.*directory/],
    ['still.png', /still picture|single picture/],
    ['still.jpg', /single picture/],
    ['sound.wav', /no video stream/],
    ['cover.mp3', /frame rate|single picture/],
  ] as const)
    await t.rejects(
      film(name).probe(never),
      { code: 'source_not_video', field: 'path', message: new RegExp(`${at(name)}.*(${why.source})`) },
      name,
    );
});

t.test('without ffmpeg the error says how to get it', async (t) => {
  const program = `
    import { configuredCamera } from '#ports/camera/configured-camera.ts';
    import { systemClock } from '#ports/clock/system-clock.ts';
    import { CameraConfig } from '#contracts/camera-config.ts';
    const signal = new AbortController().signal;
    for (const config of [{ source: 'test-pattern' }, { source: 'file', path: '/a.mp4' }])
      await configuredCamera({ camera: CameraConfig.parse(config), position: 'center' }, systemClock())
        .probe(signal)
        .catch((error) => console.log(JSON.stringify(error.toWire())));
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH: '' },
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  await once(child, 'close');
  const errors = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  t.match(errors, [
    { code: 'program_missing', message: 'ffmpeg is not installed: apt-get install -y ffmpeg' },
    { code: 'program_missing', message: 'ffprobe is not installed: apt-get install -y ffmpeg' },
  ]);
  t.match(errors[0], { details: { program: 'ffmpeg', debian_package: 'ffmpeg' } });
});
