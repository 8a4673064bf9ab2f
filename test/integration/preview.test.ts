import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Problem, TouchlineError } from '#contracts/errors.ts';
import { CAPTURED_AT_HEADER, nodeRoutes } from '#contracts/routes.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { fileCamera } from '#ports/camera/file.ts';
import { testPattern } from '#ports/camera/test-pattern.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { runProgram } from '#ports/program/program.ts';
import { readManifests } from '#runtime/manifests.ts';
import { CAMERA_LIKE, makeVideo } from '../fixtures/make-video.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';
import { FRAMES, recordingNode } from '../fixtures/recording-node.ts';

const clock = systemClock();

/** The pattern camera, counting how it is used; two at once is what no real camera allows. */
function watchedCamera() {
  const pattern = testPattern(FRAMES);
  const seen = { opened: 0, open: 0, most: 0, closings: [] as (string | undefined)[] };
  const camera: Camera = {
    ...pattern,
    async open(options) {
      seen.opened++;
      seen.open++;
      seen.most = Math.max(seen.most, seen.open);
      const stream = await pattern.open(options).catch((error: unknown) => {
        seen.open--;
        throw error;
      });
      let closed = false;
      return {
        ...stream,
        async close(closing) {
          if (!closed) seen.closings.push(closing);
          await stream.close(closing);
          if (!closed) seen.open--;
          closed = true;
        },
      };
    },
  };
  return { camera, seen };
}

async function sizeOf(
  jpeg: Buffer,
  folder: string,
): Promise<{ width: number; height: number; codec: string }> {
  const path = join(folder, 'picture.jpg');
  writeFileSync(path, jpeg);
  const { streams } = JSON.parse(
    await runProgram('ffprobe', [
      '-v',
      'error',
      '-of',
      'json',
      '-show_entries',
      'stream=codec_name,width,height',
      path,
    ]),
  );
  return { width: streams[0].width, height: streams[0].height, codec: streams[0].codec_name };
}

t.test('a picture of now: idle, while recording, and idle again', async (t) => {
  const { camera, seen } = watchedCamera();
  const on = await recordingNode(t, { camera });
  const take = async (width?: number) => {
    const asked = clock.wallUs();
    const response = await fetch(`${on.url}${nodeRoutes.preview}${width ? `?width=${width}` : ''}`);
    if (response.status !== 200) throw new Error(await response.text());
    const capturedUs = fromWireTime(response.headers.get(CAPTURED_AT_HEADER) ?? '');
    return {
      response,
      jpeg: Buffer.from(await response.arrayBuffer()),
      ageUs: asked - capturedUs,
      capturedUs,
    };
  };
  const folder = t.testdir({});

  const first = await take();
  t.equal(first.response.headers.get('content-type'), 'image/jpeg');
  t.equal(first.response.headers.get('cache-control'), 'no-store');
  t.same(await sizeOf(first.jpeg, folder), { width: 480, height: 54, codec: 'mjpeg' });
  t.equal(seen.opened, 1);
  // In full size the clock can be read from the picture: it was exposed when the header says.
  const large = await take(1280);
  t.same(await sizeOf(large.jpeg, folder), { width: 1280, height: 144, codec: 'mjpeg' });
  const [burned] = await readBurnedClock(join(folder, 'picture.jpg'));
  t.ok(burned && Math.abs(burned.epochUs - large.capturedUs) < 1000, 'the header tells the exposure');
  t.ok(large.ageUs < 5e6);
  t.equal((await fetch(`${on.url}${nodeRoutes.preview}?width=5000`)).status, 400);
  t.equal(seen.opened, 1, 'the camera stays open while somebody watches');

  await on.start('Preview');
  await on.until('recording', (state) => (state.recording?.duration_sec ?? 0) > 1);
  t.equal(seen.opened, 2, 'the recording opened the camera itself');
  t.same(seen.closings, ['at-once'], 'and did not wait for the end of the preview');
  const during = await take(640);
  t.ok(during.ageUs < 2e6, `of now: ${during.ageUs / 1000} ms old`);
  const state = await on.until('recording', () => true);
  t.equal(state.encoder_restarts, 0);
  t.equal(seen.opened, 2, 'while it records, pictures come from memory');
  await on.stop();
  t.same(seen.closings, ['at-once', 'orderly'], 'a recording is ended in order');

  const after = await take(320);
  t.ok(after.capturedUs >= during.capturedUs);
  t.equal(seen.most, 1, 'the camera was never opened twice at once');
});

t.test(
  'many ask, one picture is made; without a camera the reason is said',
  { timeout: 60_000 },
  async (t) => {
    const { camera, seen } = watchedCamera();
    let there = true;
    const on = await recordingNode(t, {
      camera: {
        ...camera,
        async open(options) {
          if (!there) throw new TouchlineError('camera_missing', 'the ribbon is loose');
          return camera.open(options);
        },
      },
    });
    const ask = () => fetch(`${on.url}${nodeRoutes.preview}`);
    const pictures = await Promise.all(Array.from({ length: 30 }, ask));
    const bodies = await Promise.all(
      pictures.map(async (each) => Buffer.from(await each.arrayBuffer()).toString('base64')),
    );
    t.same([...new Set(pictures.map(({ status }) => status))], [200]);
    t.equal(new Set(bodies).size, 1);
    t.equal(seen.opened, 1);

    there = false;
    await on.until('the camera is let go when nobody asks', () => seen.open === 0);
    // The last key frame is a picture of now for a while.
    let refused: Response | undefined;
    while (!refused) {
      const answer = await ask();
      if (answer.status === 503) refused = answer;
    }
    t.match(Problem.parse(await refused.json()), { code: 'preview_unavailable', message: /ribbon is loose/ });
  },
);

t.test('a film instead of a camera is shown too', async (t) => {
  const path = await makeVideo(join(t.testdir({}), 'film.mp4'), { seconds: 3, args: CAMERA_LIKE });
  const on = await recordingNode(t, { camera: fileCamera({ path, bitrateMbps: 1, clock }) });
  const picture = async (): Promise<void> => {
    const { status, headers } = await fetch(`${on.url}${nodeRoutes.preview}`);
    t.same([status, headers.get('content-type')], [200, 'image/jpeg']);
  };
  await picture();
  await on.start('Film');
  await on.until('recording', (state) => (state.recording?.duration_sec ?? 0) > 1);
  await picture();
  await on.stop();
  await picture();
});

t.test('previews never make a start fail or late', { timeout: 240_000 }, async (t) => {
  const { camera, seen } = watchedCamera();
  const on = await recordingNode(t, { camera });
  const over = new AbortController();
  const answers = new Map<number, number>();
  const hammer = async (width: number): Promise<void> => {
    while (!over.signal.aborted) {
      const { status } = await fetch(`${on.url}${nodeRoutes.preview}?width=${width}`).then(
        async (response) => {
          await response.arrayBuffer();
          return response;
        },
      );
      answers.set(status, (answers.get(status) ?? 0) + 1);
      // Far more often than a page asks, without taking this process, in which all services of the test run, for itself.
      await clock.sleepUntil(clock.monoUs() + 50_000, 'next question');
    }
  };
  const hammers = [320, 480].map(hammer);
  const starts = 20;
  for (let n = 0; n < starts; n++) {
    const before = seen.opened;
    // In every second round a preview has the camera at the moment of the start, in the others one may just be opening it.
    if (n % 2 === 0) await on.until('a preview has the camera', () => seen.open === 1);
    await on.start(`Start${n}`);
    const state = await on.until('recording', (each) => (each.recording?.frames ?? 0) > 5);
    t.same(state.faults, [], `start ${n}`);
    t.equal(state.encoder_restarts, 0);
    t.ok(seen.opened > before);
    await on.stop();
  }
  over.abort();
  await Promise.all(hammers);
  const { manifests } = await readManifests(on.disk);
  t.equal(manifests.length, starts);
  for (const { manifest } of manifests) {
    const { touchline } = manifest;
    t.ok(
      (touchline.start_skew_ms ?? 99) < 1000 / FRAMES.fps + 1,
      `${manifest.recording.session_id} began ${touchline.start_skew_ms} ms after the agreed instant`,
    );
    t.same([touchline.part, touchline.encoder_restarts], [1, 0]);
  }
  t.equal(seen.most, 1, 'the camera was never opened twice at once');
  t.ok((answers.get(200) ?? 0) > starts, `answers: ${JSON.stringify([...answers])}`);
  // A machine that is busy beyond measure may take longer than a page waits; then it is told so.
  t.same(
    [...answers.keys()].filter((status) => status !== 200 && status !== 503),
    [],
  );
});

t.test('pictures one after the other, for a page without a script', async (t) => {
  const on = await recordingNode(t);
  const control = new AbortController();
  const response = await fetch(`${on.url}${nodeRoutes.motionPreview}?width=320`, { signal: control.signal });
  t.equal(response.status, 200);
  const boundary = /multipart\/x-mixed-replace; boundary=(\S+)/.exec(
    response.headers.get('content-type') ?? '',
  )?.[1];
  const captured = new Set<string>();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString('latin1');
    for (const [, at] of text.matchAll(new RegExp(`${CAPTURED_AT_HEADER}: (\\S+)`, 'g')))
      captured.add(at ?? '');
    if (captured.size >= 3) break;
  }
  control.abort();
  t.ok(captured.size >= 3, 'each picture says when it was captured, none comes twice');
  const part = text.split(`--${boundary}\r\n`)[1] ?? '';
  const length = Number(/content-length: (\d+)/.exec(part)?.[1]);
  const jpeg = part.slice(part.indexOf('\r\n\r\n') + 4);
  t.equal(jpeg.length, length + 2, 'the length of a picture is its length');
  t.equal(Buffer.from(jpeg.slice(0, 2), 'latin1').toString('hex'), 'ffd8');
});
