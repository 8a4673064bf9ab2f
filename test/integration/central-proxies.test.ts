import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { CentralSession, Job } from '#contracts/http-central.ts';
import {
  ask,
  filesBelow,
  makeFilm,
  manifestOf,
  processesOf,
  startCentral,
  startWorker,
  tempFolder,
  until,
  upload,
} from '../fixtures/central.ts';

// Servers are started, and films encoded, on a machine that may be busy.
t.setTimeout(180_000);

/** Frame n has the luma 20 + 3n. */
const COUNTING = "geq=lum='20+3*N':cb=128:cr=128";
const FRAGMENTED = ['-movflags', '+frag_keyframe+empty_moov+default_base_moof'];

function film(path: string, filter: string, args: string[]) {
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-y', '-f', 'lavfi', '-i', 'color=c=black:s=1600x900:r=30:d=2', '-vf', filter],
    ...['-fps_mode', 'passthrough', ...args, ...FRAGMENTED, path],
  ]);
  return { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
}

/** The luma of each frame, and when it is shown, in milliseconds. */
function framesOf(path: string): { luma: number[]; ms: number[] } {
  const raw = execFileSync('ffmpeg', [
    ...['-v', 'error', '-i', path, '-vf', 'scale=16:16:out_range=pc,format=yuvj420p,extractplanes=y'],
    ...['-fps_mode', 'passthrough', '-f', 'rawvideo', '-'],
  ]);
  const times = execFileSync('ffprobe', [
    ...['-v', 'error', '-of', 'csv=p=0', '-select_streams', 'v', '-show_entries', 'frame=pts_time', path],
  ]).toString();
  return {
    luma: Array.from({ length: raw.length / 256 }, (_, n) => raw[n * 256 + 136] ?? -1),
    ms: times
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Math.round(Number.parseFloat(line) * 1000)),
  };
}

t.test('proxies of what cameras write', async (t) => {
  const root = await tempFolder(t);
  const central = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '8', '-pix_fmt', 'yuv420p'];
  const films = {
    // Small enough, and as browsers like it.
    CAM_L: makeFilm(join(root, 'l.mp4'), { source: 'color=c=black', filter: COUNTING }),
    // Half a second is missing, and every third frame after that.
    CAM_C: film(
      join(root, 'c.mp4'),
      `${COUNTING},select='not(between(n,20,34)+gt(n,40)*not(mod(n,3)))'`,
      x264,
    ),
    CAM_R: film(join(root, 'r.mp4'), `${COUNTING},scale=640:360`, ['-c:v', 'mjpeg', '-q:v', '2']),
    CAM_X: film(join(root, 'x.mp4'), `${COUNTING},scale=640:360`, [
      ...[
        '-c:v',
        'libx264',
        '-pix_fmt',
        'yuv420p',
        '-x264-params',
        'open-gop=1:keyint=15:scenecut=0:bframes=3',
      ],
    ]),
  };
  for (const [camera, film] of Object.entries(films))
    t.match(await upload(central, film, { camera_id: camera }), { status: 200 });
  const session = async (): Promise<CentralSession> =>
    (await ask(`${central.url}/api/v1/sessions`)).body.sessions[0];
  const before = await session();
  t.match(
    before.jobs.map(({ kind, subject, state }) => ({ kind, subject, state })),
    ['CAM_X/1', 'CAM_R/1', 'CAM_C/1', 'CAM_L/1'].map((subject) => ({
      kind: 'proxy',
      subject,
      state: 'queued',
    })),
    'a job for each as it arrives',
  );
  t.match(before.recordings[0], { proxy_url: null, thumbnail_url: null, frames: null }, 'not made yet');
  t.same(before.thumbnail_url, null);

  const worker = startWorker(t, root);
  const after = await until(async () => {
    const now = await session();
    return now.jobs.every((job) => job.finished_at !== null) && now;
  });
  for (const job of after.jobs) t.match(job, { state: 'done', error: null }, job.subject);
  const results = new Map(after.jobs.map((job) => [job.subject, job.result]));
  t.match(results.get('CAM_L/1'), { copied: true, width: 320, height: 180, frames: 60, fps: 30 });
  t.match(results.get('CAM_C/1'), { copied: false, width: 1280, height: 720, frames: 39 });
  t.match(results.get('CAM_R/1'), { copied: false, width: 640, height: 360, frames: 60, fps: 30 });
  t.match(results.get('CAM_X/1'), { copied: false, frames: 60 }, 'open groups are encoded again');
  t.match(
    after.recordings.find((one) => one.camera_id === 'CAM_C'),
    { frames: 39, width: 1600, height: 900, fps: 30, codec: 'h264', duration_sec: 2 },
    'what the file shows, though it came without a manifest',
  );

  for (const [camera, { path }] of Object.entries(films)) {
    const folder = join(root, 'sessions/GAME', camera);
    const proxy = join(folder, 'proxy.mp4');
    const bytes = readFileSync(proxy);
    t.ok(bytes.indexOf('moov') < bytes.indexOf('mdat'), `${camera}: the index comes first`);
    const [wanted, found] = [framesOf(path), framesOf(proxy)];
    t.equal(found.luma.length, wanted.luma.length, `${camera}: as many frames`);
    const first = wanted.ms[0] ?? 0;
    t.ok(
      wanted.ms.every((ms, n) => Math.abs(ms - first - (found.ms[n] ?? Number.NaN)) <= 1),
      `${camera}: at the same times, gaps included`,
    );
    t.ok(
      wanted.luma.every((luma, n) => Math.abs(luma - (found.luma[n] ?? Number.NaN)) <= 2),
      `${camera}: frame n shows frame n`,
    );
    const picture = framesOf(join(folder, 'thumbnail.jpg'));
    const middle = wanted.luma[Math.floor(wanted.luma.length / 2)] ?? Number.NaN;
    t.ok(
      Math.abs((picture.luma[0] ?? Number.NaN) - middle) <= 3,
      `${camera}: the picture is the middle frame (${picture.luma[0]}, ${middle})`,
    );
  }
  t.equal(await worker.stop('SIGTERM'), 0);
  t.same(await filesBelow(join(root, 'temp')), [], 'no work files are left');
});

t.test('a proxy is cancelled, fails, and is made again', async (t) => {
  const root = await tempFolder(t);
  const long = makeFilm(join(root, 'film.mp4'), { width: 1920, height: 1080, seconds: 40 });
  const central = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  startWorker(t, root);
  const manifest = JSON.stringify(manifestOf(long, {}));
  t.match(await upload(central, long, { manifest }), { status: 200 });
  const jobs = async (): Promise<Job[]> => (await ask(`${central.url}/api/v1/jobs`)).body.jobs;
  const url = (job: Job, what: string): string => `${central.url}/api/v1/jobs/${job.job_id}/${what}`;
  const ffmpegs = () => processesOf('ffmpeg', root);
  const running = await until(async () => {
    const [job] = await jobs();
    return job && job.progress > 0 && job;
  });
  t.match(running, { kind: 'proxy', subject: 'CAM_L/1', state: 'running' });
  t.equal(ffmpegs().length, 1);
  t.match(await ask(url(running, 'repeat'), { method: 'POST' }), { status: 409 }, 'not while it runs');
  t.match(await ask(url(running, 'cancel'), { method: 'POST' }), { status: 202 });
  const ended = (id: string) =>
    until(async () => (await jobs()).find((job) => job.job_id === id && job.finished_at !== null));
  t.match(await ended(running.job_id), { state: 'cancelled' });
  t.same(ffmpegs(), [], 'its ffmpeg is gone');
  t.same(await filesBelow(join(root, 'temp')), [], 'and what it wrote');
  t.notOk((await filesBelow(join(root, 'sessions'))).some((name) => /proxy|thumbnail/.test(name)));

  const bad = await ask(url(running, 'repeat'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"settings": 3}',
  });
  t.match(bad, { status: 400, body: { code: 'invalid_field' } });
  const again = await ask(url(running, 'repeat'), { method: 'POST' });
  t.match(again, { status: 202, body: { kind: 'proxy', subject: 'CAM_L/1', state: 'queued' } });
  t.match(await ended(again.body.job_id), { state: 'done', result: { width: 1280, copied: false } });
  const [session] = (await ask(`${central.url}/api/v1/sessions`)).body.sessions;
  t.match(session.recordings[0], { proxy_url: /^\/api/, thumbnail_url: /^\/api/, frames: 1200 });
  t.equal(session.thumbnail_url, session.recordings[0].thumbnail_url);
});
