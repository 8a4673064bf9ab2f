import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { CentralSession, Job } from '#contracts/http-central.ts';
import {
  ask,
  makeFilm,
  manifestOf,
  startCentral,
  startWorker,
  tempFolder,
  until,
  upload,
} from '../fixtures/central.ts';

// Servers are started, and panoramas made, on a machine that may be busy.
t.setTimeout(180_000);

const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;

t.test('a session as the console shows it', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'));
  const central = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  const worker = startWorker(t, root);
  for (const camera of CAMERAS) {
    const manifest = JSON.stringify(manifestOf(film, { camera }));
    t.match(await upload(central, film, { camera_id: camera, manifest }), { status: 200 });
  }
  const post = (url: string, path: string, body?: object, headers: Record<string, string> = {}) =>
    ask(`${url}${path}`, {
      method: 'POST',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    });
  const sessionOf = async (url: string): Promise<CentralSession> =>
    (await ask(`${url}/api/v1/sessions`)).body.sessions[0];
  const { session_uid: uid } = await sessionOf(central.url);
  const make = `/api/v1/sessions/${uid}/panorama`;
  const allDone = (jobs: readonly Job[]): boolean => jobs.every((job) => job.state === 'done');
  const settled = (count: number) =>
    until(async () => {
      const session = await sessionOf(central.url);
      return session.jobs.length === count && allDone(session.jobs) && session;
    });

  t.match(await post(central.url, make, { calibration: 'none', overlap_px: 3 }), {
    status: 400,
    body: { code: 'invalid_field', field: /overlap_px/ },
  });
  t.match(
    await post(central.url, make, {}, { origin: 'http://elsewhere.example' }),
    { status: 403 },
    'another site cannot ask for it in the name of its visitor',
  );
  const asked = await post(central.url, make, { calibration: 'none', overlap_px: 40 });
  t.match(asked, {
    status: 202,
    body: { kind: 'panorama', subject: '', settings: { calibration: 'none', overlap_px: 40 } },
  });
  t.match(await post(central.url, make), { status: 409, body: { code: 'conflict' } });
  // Three proxies, the panorama, its picture.
  const session = await settled(5);
  t.match(session, {
    cameras: ['CAM_L', 'CAM_C', 'CAM_R'],
    missing: [],
    complete: true,
    started_at: '2024-03-15T14:00:00.000000Z',
    duration_sec: 2,
    thumbnail_url: `/api/v1/sessions/${uid}/panorama.jpg`,
    panorama: {
      url: `/api/v1/sessions/${uid}/panorama.mp4`,
      thumbnail_url: `/api/v1/sessions/${uid}/panorama.jpg`,
      result: { width: 3 * 320 - 2 * 40, calibrated: false },
    },
  });
  for (const [path, type] of [
    [session.panorama?.url, 'video/mp4'],
    [session.panorama?.thumbnail_url, 'image/jpeg'],
    [session.recordings[0]?.proxy_url, 'video/mp4'],
    [session.recordings[0]?.thumbnail_url, 'image/jpeg'],
    [session.recordings[0]?.manifest_url, 'application/json; charset=utf-8'],
  ]) {
    const answer = await fetch(`${central.url}${path}`);
    await answer.arrayBuffer();
    t.match([answer.status, answer.headers.get('content-type')], [200, type], String(path));
  }

  const again = await post(central.url, `/api/v1/jobs/${asked.body.job_id}/repeat`, {
    settings: { calibration: 'none', overlap_px: 60 },
  });
  t.match(again, { status: 202, body: { settings: { overlap_px: 60, match_exposure: true } } });
  t.match((await settled(7)).panorama, { result: { width: 3 * 320 - 2 * 60 } }, 'made with other settings');
  t.match(await ask(`${central.url}/api/v1/calibrations`), { status: 200, body: { calibrations: [] } });

  const page = await fetch(`${central.url}/`);
  const text = await page.text();
  if (page.ok) t.match(text, /<!doctype html>/i, 'the console');
  else t.match(JSON.parse(text), { code: 'page_not_built' }, 'or that it was not built');

  await worker.stop('SIGTERM');
  await central.stop('SIGTERM');
  await rm(join(root, 'database'), { recursive: true });
  const bare = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  t.match(
    await sessionOf(bare.url),
    { panorama: { result: { width: 3 * 320 - 2 * 60 } }, recordings: { length: 3 }, jobs: [] },
    'without the database the folders still tell what was made, and nothing is made again',
  );
  const told = join(root, 'sessions/GAME/stitched/panorama.json');
  t.match(JSON.parse(await readFile(told, 'utf8')), { width: 3 * 320 - 2 * 60 });
  await writeFile(told, 'no JSON');
  t.match(await sessionOf(bare.url), { panorama: null }, 'what cannot be read is not made up');
  t.ok(bare.lines.some((line) => /cannot be read/.test(String(line.msg))));
});
