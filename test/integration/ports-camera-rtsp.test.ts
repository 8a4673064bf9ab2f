import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import type { Fragment } from '#domain/fmp4/fragments.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { cameraConformance } from '#ports/camera/conformance.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { runPipeline } from '#services/recorder/pipeline.ts';
import { childPrograms, killProgram } from '../fixtures/child-programs.ts';
import { type RtspServer, startRtspServer } from '../fixtures/rtsp-server.ts';

// The stream plays in real time.
t.setTimeout(180_000);

const clock = systemClock();
const never = new AbortController().signal;
const dir = t.testdir({});
const PASSWORD = "it's: secret@";
const picture = (...args: string[]): string[] => [
  ...['-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30', ...args],
];
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '15', '-b:v', '500k'];

const camera = (server: { url: string }): Camera =>
  configuredCamera(
    { camera: CameraConfig.parse({ source: 'rtsp', url: server.url, bitrate_mbps: 1 }), position: 'center' },
    clock,
  );
async function serve(
  t: { teardown(end: () => Promise<void>): unknown },
  args: string[],
  user?: { name: string; password: string },
): Promise<RtspServer> {
  const server = await startRtspServer(dir, args, user);
  t.teardown(() => server.stop());
  return server;
}

t.test('it is a camera', async (t) => {
  const server = await serve(t, picture(...H264), { name: 'coach', password: PASSWORD });
  const others = childPrograms();
  const programs = (): number[] => childPrograms().filter((pid) => !others.includes(pid));
  await cameraConformance(t, { camera: camera(server), clock, programs, kill: killProgram });
});

t.test('what can be recorded as it is, is; the rest is encoded', async (t) => {
  const offered = async (...args: string[]) =>
    (await camera(await serve(t, picture(...args))).probe(never)).profiles[0];
  const [copied, rare, reordered] = await Promise.all([
    offered(...H264),
    offered(...H264, '-g', '150'),
    offered('-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '15', '-b:v', '500k'),
  ]);
  t.match(copied, { rung: 'copy', codec: 'h264', width: 320, height: 180, fps: 30 });
  t.match(
    rare,
    { rung: 'x264-superfast', codec: 'h264', width: 320, height: 180, fps: 30 },
    'rare key frames',
  );
  t.match(reordered, { rung: 'x264-superfast' }, 'reordered frames');
});

t.test('a stream that ends or stops is a camera that failed', async (t) => {
  for (const [how, message] of [
    ['drop', /the camera rtsp ended/],
    ['stall', /no frame from rtsp for 1 s/],
  ] as const) {
    const server = await serve(t, picture(...H264));
    const source = camera(server);
    const [profile] = (await source.probe(never)).profiles;
    const fragments: Fragment[] = [];
    let originUs = 0;
    const failure = await runPipeline(
      { camera: source, clock, profile, cueMonoUs: clock.monoUs(), signal: never },
      {
        opened: ({ originMonoUs }) => {
          originUs = originMonoUs;
        },
        fragment: (fragment) => {
          if (fragments.push(fragment) === 12) server[how]();
        },
      },
    ).catch((error: unknown) => error);
    t.match(failure, { code: 'camera_failed', message }, how);
    t.ok(originUs < clock.monoUs() && originUs > clock.monoUs() - 30e6);
    t.ok(fragments.length >= 12);
  }
});

t.test('the password is nowhere to be read', async (t) => {
  const server = await serve(t, picture(...H264), { name: 'coach', password: PASSWORD });
  const source = camera(server);
  const [profile] = (await source.probe(never)).profiles;
  const stream = await source.open({ cueMonoUs: clock.monoUs(), profile, signal: never });
  stream.output.resume();
  await stream.firstFrameMonoUs;
  const lines = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return ''; // It ended while we looked.
      }
    });
  t.ok(lines.some((line) => line.includes('concat')));
  t.notOk(
    lines.some((line) => /secret|coach/.test(line)),
    'not in a command line',
  );
  server.drop();
  const failure = await stream.ended;
  t.notMatch(JSON.stringify(failure?.toWire()), /secret/, 'not in an error');
  await stream.close();

  const wrong = server.url.replace('secret', 'other');
  const refused = await camera({ url: wrong })
    .probe(never)
    .catch((error: unknown) => error);
  t.match(refused, {
    code: 'camera_missing',
    field: 'camera.url',
    message: /^no video from 127\.0\.0\.1:\d+: .*401/,
  });
  t.notMatch((refused as Error).message, /other|coach/);
  const gone = await camera({ url: 'rtsp://coach:secret@127.0.0.1:9/x' })
    .probe(never)
    .catch((error: unknown) => error);
  t.match(gone, { code: 'camera_missing', message: /Connection refused/ });
  t.notMatch((gone as Error).message, /secret|coach/);
});
