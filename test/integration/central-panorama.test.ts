import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { RigSession } from '#contracts/session.ts';
import { topics } from '#contracts/topics.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import {
  type Answer,
  additionsOf,
  ask,
  type Central,
  type Film,
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

// A worker counts as dead after 15 s of silence.
t.setTimeout(300_000);

const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;
const UID = '01HZZZZZZZZZZZZZZZZZZZZZZA';

/** Every pixel of frame n has the luma 20 + 3n: a picture that tells which frame it is. */
const COUNTING = "geq=lum='20+3*N':cb=128:cr=128";

function grayFrame(path: string, n: number, width: number, height: number): (x: number) => number {
  const raw = execFileSync('ffmpeg', [
    ...['-v', 'error', '-i', path, '-vf', `select=eq(n\\,${n}),extractplanes=y`],
    ...['-frames:v', '1', '-f', 'rawvideo', '-'],
  ]);
  return (x) => raw[Math.floor(height / 2) * width + x] ?? Number.NaN;
}

const jobOf = async (central: Central, jobId: string) =>
  (await ask(`${central.url}/api/v1/jobs/${jobId}`)).body;
/** Jobs of a session that make its panorama, newest first; each recording has a job of its own besides. */
const panoramasOf = (session: { jobs: { kind: string }[] }) =>
  session.jobs.filter(({ kind }) => kind === 'panorama') as Answer['body'][];
const ended = (central: Central, jobId: string) =>
  until(async () => {
    const job = await jobOf(central, jobId);
    return job.finished_at !== null && job;
  });

t.test('three cameras that started one after the other', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'), { source: 'color=c=black', filter: COUNTING });
  // In frames of 1/30 s, and between frames: CAM_R 6.2 frames late counts as 6.
  const starts = { CAM_L: '00.000000', CAM_C: '00.500000', CAM_R: '00.206667' };
  const manifest = (camera: (typeof CAMERAS)[number]) => {
    const master = `2024-03-15T14:00:${starts[camera]}Z`;
    // The plain start time is wrong on purpose: the first frame in master time counts.
    const plain = manifestOf(film, { camera, start: '2024-03-15T15:00:00.000000Z' });
    return { ...plain, touchline: additionsOf(plain, { uid: UID, master }) };
  };
  const central = await startCentral(t, root);
  const send = (camera: (typeof CAMERAS)[number]) =>
    upload(central, film, {
      camera_id: camera,
      session_uid: UID,
      manifest: JSON.stringify(manifest(camera)),
    });
  const session = async () => (await ask(`${central.url}/api/v1/sessions/${UID}`)).body;

  for (const camera of ['CAM_L', 'CAM_C'] as const) t.match(await send(camera), { status: 200 });
  t.equal((await session()).complete, false);
  t.same(panoramasOf(await session()), [], 'nothing happens before all are there');
  t.match(await send('CAM_R'), { status: 200 });
  const queued = await session();
  t.equal(queued.complete, true);
  t.match(panoramasOf(queued), [{ state: 'queued', attempt: 0 }], 'then a job waits');
  t.match(
    await ask(`${central.url}/api/v1/sessions/${UID}/panorama`, { method: 'POST' }),
    { status: 409, body: { code: 'conflict' } },
    'a second one is refused',
  );

  const worker = startWorker(t, root, ['processing.calibration.moments=1']);
  const job = await ended(central, panoramasOf(queued)[0].job_id);
  if (job.state !== 'done') t.comment(JSON.stringify(worker.lines.filter((line) => 'err' in line)));
  t.match(job, {
    state: 'done',
    progress: 1,
    attempt: 1,
    error: null,
    result: {
      file: join(root, 'sessions/GAME/stitched/panorama.mp4'),
      width: 760,
      height: 180,
      frames: 45,
      duration_sec: 1.5,
      calibrated: false,
      calibration_reason: { code: 'too_few_control_points', usable: [] },
      layout: 'side-by-side, 100 px linear blend, uncalibrated',
      cameras: ['CAM_L', 'CAM_C', 'CAM_R'],
      from: '2024-03-15T14:00:00.500000Z',
      to: '2024-03-15T14:00:02.000000Z',
      uncovered_sec: 1,
      notes: [],
    },
  });
  t.equal((await ask(`${central.url}/api/v1/health`)).body.workers, 1, 'the worker is seen');

  const { file } = job.result;
  const probed = JSON.parse(
    execFileSync('ffprobe', [
      ...['-v', 'error', '-of', 'json', '-count_frames', '-show_entries'],
      'stream=codec_name,width,height,pix_fmt,nb_read_frames:format=duration',
      file,
    ]).toString(),
  );
  t.match(probed, {
    format: { duration: /^1\.5/ },
    streams: [{ codec_name: 'h264', width: 760, height: 180, pix_fmt: 'yuv420p', nb_read_frames: '45' }],
  });
  const faststart = await readFile(file);
  t.ok(faststart.indexOf('moov') < faststart.indexOf('mdat'), 'the index comes first');

  for (const n of [0, 20, 44]) {
    const at = grayFrame(file, n, 760, 180);
    const shown = (x: number): number => Math.round((at(x) - 20) / 3);
    t.same(
      [shown(50), shown(400), shown(700)],
      [n + 15, n, n + 9],
      `frame ${n}: each view shows its own frame`,
    );
    const [left, center] = [at(150), at(380)];
    for (const [x, share] of [
      [225, 5.5],
      [270, 50.5],
      [314, 94.5],
    ] as const)
      t.ok(
        Math.abs(at(x) - (left + ((center - left) * share) / 100)) <= 2,
        `frame ${n}: a linear blend at ${x} px (${left}, ${at(x)}, ${center})`,
      );
  }

  // A later part of one camera: its session is complete again, and its panorama is made again.
  const plain = manifest('CAM_L');
  const later = { ...plain, touchline: { ...plain.touchline, part: 2, final: true } };
  const more = await upload(central, film, {
    camera_id: 'CAM_L',
    session_uid: UID,
    part: '2',
    manifest: JSON.stringify(later),
  });
  t.match(more, { status: 200, body: { already_there: false } });
  t.equal(panoramasOf(await session()).length, 2, 'what newly arrived brings a new job');
  t.match(await ended(central, panoramasOf(await session())[0].job_id), { state: 'done' });

  t.match((await upload(central, film, { session_id: 'ALONE' })).body, { success: true });
  const alone = (await ask(`${central.url}/api/v1/sessions`)).body.sessions[0];
  const asked = await ask(`${central.url}/api/v1/sessions/${alone.session_uid}/panorama`, { method: 'POST' });
  t.match(asked, { status: 202, body: { state: 'queued' } });
  t.match(
    await ended(central, asked.body.job_id),
    { state: 'failed', error: { code: 'job_failed', message: /needs two cameras/ } },
    'one view without a manifest is no panorama, and the reason is said',
  );
  await until(async () => {
    const { jobs } = JSON.parse(await readFile(join(root, 'processing/jobs.json'), 'utf8'));
    const panoramas = panoramasOf({ jobs });
    return panoramas.length === 3 && panoramas[0].state === 'failed';
  });
  t.pass('the export of the jobs follows');
  t.equal(await worker.stop('SIGTERM'), 0, 'the worker ends in good order');
  t.same(await filesBelow(join(root, 'temp')), [], 'no work files are left');
});

t.test('a rig of two cameras is complete with two', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'));
  const central = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  const camera = (camera_id: string, state: 'ready' | 'silent') => ({ camera_id, state, gates: [] });
  const record: RigSession = {
    v: 1,
    session_uid: UID,
    session_id: 'GAME',
    revision: 3,
    state: 'stopped',
    conductor: 'CAM_L',
    start_at: '2024-03-15T14:00:00.000000Z',
    stop_at: '2024-03-15T14:00:02.000000Z',
    max_duration_sec: 60,
    cameras: [camera('CAM_L', 'ready'), camera('CAM_C', 'silent'), camera('CAM_R', 'ready')],
    updated_at: '2024-03-15T14:00:02.000000Z',
  };
  const connection = mqttBroker({ host: '127.0.0.1', port: central.mqttPort }).connect({ clientId: 'test' });
  t.teardown(() => connection.close());
  await new Promise<void>((resolve) => connection.onConnected((connected) => connected && resolve()));
  await connection.publish(topics.session('demo'), 'no JSON', { retain: true });
  await connection.publish(topics.session('demo'), JSON.stringify(record), { retain: true });
  await connection.publish(
    topics.session('demo'),
    JSON.stringify({ ...record, revision: 2, cameras: [camera('CAM_C', 'ready')] }),
    { retain: true },
  );
  const session = async () => (await ask(`${central.url}/api/v1/sessions/${UID}`)).body;
  const send = (name: 'CAM_L' | 'CAM_R', part: number, final: boolean) => {
    const plain = manifestOf(film, { camera: name });
    const touchline = additionsOf(plain, { uid: UID, part, final });
    return upload(central, film, {
      camera_id: name,
      part: String(part),
      manifest: JSON.stringify({ ...plain, touchline }),
    });
  };
  t.match(
    await send('CAM_L', 1, true),
    { status: 200, body: { session_uid: UID } },
    'the uid of the manifest',
  );
  t.match(await send('CAM_R', 2, true), { status: 200 });
  t.equal((await session()).complete, false, 'a part is missing');
  t.match(await send('CAM_R', 1, false), { status: 200 });
  await until(async () => (await session()).complete);
  t.same(panoramasOf(await session()), [], 'complete, and no panorama when that is not wanted');
});

t.test('a worker that is killed, a job that is cancelled', async (t) => {
  const root = await tempFolder(t);
  const film: Film = makeFilm(join(root, 'film.mp4'), { width: 1280, height: 720, seconds: 20 });
  const slow = [
    ...['processing.output_preset=medium', 'processing.segment_sec=2'],
    'processing.calibration.moments=1',
  ];
  const central = await startCentral(t, root);
  const doomed = startWorker(t, root, slow);
  for (const camera of CAMERAS) {
    const manifest = JSON.stringify(manifestOf(film, { camera }));
    t.match(await upload(central, film, { camera_id: camera, manifest }), { status: 200 });
  }
  const [{ jobs, session_uid: uid }] = (await ask(`${central.url}/api/v1/sessions`)).body.sessions;
  const jobId = panoramasOf({ jobs })[0].job_id;
  const ffmpegs = () => {
    const segments = processesOf('ffmpeg', '/panorama/segment-');
    return processesOf('ffmpeg', root).filter((pid) => segments.includes(pid));
  };
  const running = (attempt: number) =>
    until(async () => {
      const job = await jobOf(central, jobId);
      return job.attempt === attempt && job.progress > 0 && job;
    });

  const logged = (line: RegExp) =>
    until(async () => (await jobOf(central, jobId)).log.some((each: string) => line.test(each)));
  const first = await running(1);
  t.match(first, { state: 'running' });
  await logged(/segment 1 of 10 is encoded/);
  await until(() => ffmpegs().length === 1);
  t.ok(first.speed > 0 && first.remaining_sec > 0, `speed ${first.speed}, ${first.remaining_sec} s to go`);
  await doomed.stop('SIGKILL');
  await until(() => ffmpegs().length === 0);
  t.pass('its ffmpeg died with the worker');
  const rescuer = startWorker(t, root, slow);
  t.match(await running(2), { state: 'running', job_id: jobId }, 'another worker does the job again');
  await logged(/segment 1 of 10 is there from an earlier run/);
  t.pass('with the segment that was whole');
  await until(() => ffmpegs().length === 1);

  t.match(
    await ask(`${central.url}/api/v1/sessions/${uid}/panorama`, { method: 'POST' }),
    { status: 409, body: { code: 'conflict', details: { job_id: jobId } } },
    'no second one while it runs',
  );
  const [pid] = ffmpegs();
  t.ok(pid, 'ffmpeg runs');
  t.match(await ask(`${central.url}/api/v1/jobs/${jobId}/cancel`, { method: 'POST' }), { status: 202 });
  t.match(await ended(central, jobId), { state: 'cancelled', result: null });
  t.same(ffmpegs(), [], 'its ffmpeg is gone');
  t.notOk(
    (await filesBelow(join(root, 'sessions'))).some((name) => name.includes('stitched')),
    'no half panorama',
  );
  t.same(await filesBelow(join(root, 'temp', 'incoming')), [], 'nothing is half stored');
  t.match(await ask(`${central.url}/api/v1/jobs/${jobId}/cancel`, { method: 'POST' }), { status: 409 });
  t.match(await ask(`${central.url}/api/v1/jobs/none/cancel`, { method: 'POST' }), { status: 404 });

  const again = (await ask(`${central.url}/api/v1/sessions/${uid}/panorama`, { method: 'POST' })).body;
  await until(async () => (await jobOf(central, again.job_id)).state === 'running');
  t.equal(await rescuer.stop('SIGTERM'), 0);
  t.match(
    await jobOf(central, again.job_id),
    { state: 'queued', attempt: 0 },
    'a worker that stops gives its job back',
  );
  t.same(ffmpegs(), []);
});
