import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { Problem } from '#contracts/errors.ts';
import { RecordingList } from '#contracts/http-node.ts';
import { nodeRoutes, pathTo } from '#contracts/routes.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { runProgram } from '#ports/program/program.ts';
import { readManifests } from '#runtime/manifests.ts';
import { createFilmIndexes } from '#services/api/film-index.ts';
import { launchChromium } from '../fixtures/chromium.ts';
import { FRAMES, type RecordingNode, recordingNode } from '../fixtures/recording-node.ts';

const clock = systemClock();

/** What ffmpeg's HLS player decodes of a playlist. */
async function framesOf(url: string): Promise<number> {
  const out = await runProgram('ffprobe', [
    ...['-v', 'error', '-count_frames', '-of', 'json', '-show_entries', 'stream=nb_read_frames', url],
  ]);
  return Number(JSON.parse(out).streams[0].nb_read_frames);
}

const json = async (url: string) => (await fetch(url)).json();

async function manifestOf(on: RecordingNode) {
  const [found] = (await readManifests(on.disk)).manifests;
  if (!found) throw new Error('there is no manifest');
  return found.manifest;
}

t.test('a finished recording plays from its playlist, every frame of it', async (t) => {
  const on = await recordingNode(t);
  const uid = await on.record('Watch', 5);
  const manifest = await manifestOf(on);
  const { recordings } = RecordingList.parse(await json(`${on.url}${nodeRoutes.recordings}`));
  t.match(recordings, [{ session_uid: uid, part: 1, playable: true }]);
  const url = `${on.url}${recordings[0]?.playlist}`;
  const response = await fetch(url);
  t.equal(response.headers.get('content-type'), 'application/vnd.apple.mpegurl');
  const text = await response.text();
  t.match(text, '#EXT-X-PLAYLIST-TYPE:VOD');
  t.ok(text.split('#EXTINF').length - 1 >= 2, 'more than one segment');
  t.equal(await framesOf(url), manifest.touchline.frames);

  const video = `${on.url}${pathTo(nodeRoutes.video, { session_uid: uid, part: 1 })}`;
  const whole = Buffer.from(await (await fetch(video)).arrayBuffer());
  t.equal(createHash('sha256').update(whole).digest('hex'), manifest.checksum.value, 'the original, whole');
  const range = await fetch(video, { headers: { range: 'bytes=100-199' } });
  t.equal(range.status, 206);
  t.equal(range.headers.get('content-range'), `bytes 100-199/${whole.length}`);
  t.same(Buffer.from(await range.arrayBuffer()), whole.subarray(100, 200));
  const beyond = await fetch(video, { headers: { range: `bytes=${whole.length}-` } });
  t.equal(beyond.status, 416);
  t.equal(Problem.parse(await beyond.json()).code, 'range_not_satisfiable');
  const none = await fetch(`${on.url}${pathTo(nodeRoutes.playlist, { session_uid: uid, part: 2 })}`);
  t.equal(none.status, 404);

  await on.disk.remove(`recordings/Watch/CAM_C/${manifest.file.name}`);
  t.match(await json(`${on.url}${nodeRoutes.recordings}`), {
    recordings: [{ session_uid: uid, playable: false, playlist: null }],
  });
  t.equal((await fetch(url)).status, 404);
});

t.test('a browser plays it, and jumps in it', { timeout: 60_000 }, async (t) => {
  const on = await recordingNode(t);
  const uid = await on.record('Browser', 5);
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  // Any page of the node: the film is of the same site then.
  await page.goto(`${on.url}${nodeRoutes.health}`);
  const width = await page.evaluate(`new Promise((resolve, reject) => {
    const video = Object.assign(document.createElement('video'), { muted: true });
    video.onerror = () => reject(new Error(video.error.message));
    video.onloadedmetadata = () => { video.currentTime = 3.5; };
    video.onseeked = () => void video.play();
    video.ontimeupdate = () => { if (video.currentTime > 4) resolve(video.videoWidth); };
    video.src = '${pathTo(nodeRoutes.playlist, { session_uid: uid, part: 1 })}';
  })`);
  t.equal(width, FRAMES.width);
});

t.test('a recording plays while it is made', async (t) => {
  const on = await recordingNode(t);
  const { session_uid } = await on.start('Live');
  await on.until('five seconds', (state) => (state.recording?.duration_sec ?? 0) > 5);
  const url = `${on.url}${pathTo(nodeRoutes.playlist, { session_uid, part: 1 })}`;
  const early = await (await fetch(url)).text();
  t.match(early, '#EXT-X-PLAYLIST-TYPE:EVENT');
  const ranges = [...early.matchAll(/#EXT-X-BYTERANGE:(\d+)@(\d+)/g)].map(
    ([, size, offset]) => Number(size) + Number(offset),
  );
  t.ok(ranges.length >= 2);
  // As a player would: the film up to the end of what is listed decodes without a complaint.
  const video = `${on.url}${pathTo(nodeRoutes.video, { session_uid, part: 1 })}`;
  const part = await fetch(video, { headers: { range: `bytes=0-${(ranges.at(-1) ?? 0) - 1}` } });
  const bytes = Buffer.from(await part.arrayBuffer());
  const copy = createServer((_request, response) => response.end(bytes)).listen(0, '127.0.0.1');
  await once(copy, 'listening');
  const listed = [...early.matchAll(/#EXTINF:([\d.]+)/g)].reduce((sum, [, sec]) => sum + Number(sec), 0);
  t.equal(
    await framesOf(`http://127.0.0.1:${(copy.address() as AddressInfo).port}/`),
    Math.round(listed * 30),
  );
  copy.close();
  await on.stop();
  const late = await (await fetch(url)).text();
  t.match(late, '#EXT-X-ENDLIST');
  t.ok(
    late.includes(early.slice(early.indexOf('#EXT-X-MAP'), early.lastIndexOf('video.mp4'))),
    'what was listed while it grew is listed still',
  );
  t.equal(await framesOf(url), (await manifestOf(on)).touchline.frames);
});

t.test('the films and pictures of another camera come through this node', async (t) => {
  const broker = memoryBroker();
  const left = await recordingNode(t, { broker, cameraId: 'CAM_L' });
  const center = await recordingNode(t, {
    broker,
    settings: {
      cameras: ['CAM_C', 'CAM_L', 'CAM_R'],
      broker: {
        peers: [
          { camera_id: 'CAM_L', host: '127.0.0.1' },
          { camera_id: 'CAM_R', host: '127.0.0.1' },
        ],
      },
    },
  });
  const uid = await left.record('Other', 3);
  const through = (route: string, params: Record<string, string | number> = {}): string =>
    `${center.url}${pathTo(route, { camera_id: 'CAM_L', ...params })}`;
  const list = RecordingList.parse(await json(through(nodeRoutes.cameraRecordings)));
  t.equal(list.recordings[0]?.session_uid, uid);
  t.equal(
    await framesOf(through(nodeRoutes.cameraPlaylist, { session_uid: uid, part: 1 })),
    (await manifestOf(left)).touchline.frames,
  );
  const range = await fetch(through(nodeRoutes.cameraVideo, { session_uid: uid, part: 1 }), {
    headers: { range: 'bytes=0-7' },
  });
  t.equal(range.status, 206);
  const missing = await fetch(through(nodeRoutes.cameraPlaylist, { session_uid: uid, part: 9 }));
  t.equal(missing.status, 404);
  t.equal(Problem.parse(await missing.json()).code, 'not_found', 'the other node’s own words');
  const picture = await fetch(`${through(nodeRoutes.cameraPreview)}?width=320`);
  t.equal(picture.status, 200);
  t.equal(picture.headers.get('content-type'), 'image/jpeg');
  t.ok(picture.headers.get('x-captured-at'));
  await picture.arrayBuffer();

  const silent = await fetch(`${center.url}${pathTo(nodeRoutes.cameraRecordings, { camera_id: 'CAM_R' })}`);
  t.equal(silent.status, 504);
  t.match(Problem.parse(await silent.json()), { code: 'peer_silent', message: /CAM_R/ });
  const unknown = await fetch(`${center.url}${pathTo(nodeRoutes.cameraRecordings, { camera_id: 'CAM_X' })}`);
  t.equal(unknown.status, 404);
  for (const path of ['status', 'rig', 'openapi.json', '..%2fstatus']) {
    const other = await fetch(`${center.url}${pathTo(nodeRoutes.camera, { camera_id: 'CAM_L' })}/${path}`);
    t.equal(other.status, 404, `${path} of another node is not handed on`);
  }
});

t.test('of a film only the headers are read', async (t) => {
  const on = await recordingNode(t);
  await on.record('Index', 4);
  const manifest = await manifestOf(on);
  const path = `recordings/Index/CAM_C/${manifest.file.name}`;
  const disk = localDisk(on.disk.root);
  let read = 0;
  const indexes = createFilmIndexes({
    ...disk,
    async *read(...args) {
      for await (const chunk of disk.read(...args)) {
        read += chunk.length;
        yield chunk;
      }
    },
  });
  const began = clock.monoUs();
  const { segments } = await indexes.of(path);
  t.comment(`${read} of ${manifest.file.size_bytes} bytes in ${clock.monoUs() - began} us`);
  const fragments = manifest.video.duration_sec / 0.15;
  t.ok(read < fragments * 1024 + 4096, `${read} bytes`);
  const last = segments.open;
  t.equal((last?.offset ?? 0) + (last?.sizeBytes ?? 0), manifest.file.size_bytes, 'up to the last byte');
  read = 0;
  await indexes.of(path);
  t.equal(read, 0, 'and not again');
});
