import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import {
  ask,
  type Film,
  filesBelow,
  makeFilm,
  manifestOf,
  processesOf,
  startCentral,
  tempFolder,
  until,
  upload,
} from '../fixtures/central.ts';

// Several servers are started one after the other, on a machine that may be busy.
t.setTimeout(120_000);

/** Sends two thirds of a film, and says how that ended. */
async function halfUpload(url: string, film: Film) {
  const bytes = await readFile(film.path);
  const text = (name: string, value: string): string =>
    `--half\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const sending = request(`${url}/api/v1/upload`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=half' },
  });
  const ended = new Promise<{ status?: number | undefined; body?: string }>((resolve) => {
    sending.on('error', () => resolve({}));
    sending.on('response', async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    });
  });
  sending.write(
    text('session_id', 'GAME') +
      text('camera_id', 'CAM_L') +
      text('checksum', film.sha256) +
      '--half\r\ncontent-disposition: form-data; name="file"; filename="x.mp4"\r\n\r\n',
  );
  sending.write(bytes.subarray(0, Math.floor((bytes.length * 2) / 3)));
  return { ended };
}

/** Until a good part of the file is on the disk. */
async function underWay(root: string): Promise<void> {
  const incoming = join(root, 'temp', 'incoming');
  await until(async () => {
    const [draft] = await filesBelow(incoming);
    return draft !== undefined && (await stat(join(incoming, draft))).size >= 1024 * 1024;
  });
}

t.test('kill -9 in the middle of an upload', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'), { width: 1280, height: 720, seconds: 4 });
  t.ok(film.sizeBytes > 2_000_000, 'the film has several blocks');
  const first = await startCentral(t, root);
  t.match(await upload(first, film, { camera_id: 'CAM_C' }), { status: 200 });
  const half = await halfUpload(first.url, film);
  await underWay(root);
  await first.stop('SIGKILL');
  t.same(await half.ended, {}, 'the sender sees a broken connection');
  const before = ['GAME/CAM_C/recording.mp4', 'GAME/session.json'];
  t.same(await filesBelow(join(root, 'sessions')), before, 'no half file among the sessions');
  t.equal((await filesBelow(join(root, 'temp', 'incoming'))).length, 1, 'only a draft');

  // What a crash leaves between the rename and the catalogue: a file that the database does not know.
  await cp(join(root, 'sessions/GAME/CAM_C'), join(root, 'sessions/GAME/CAM_R'), { recursive: true });
  await writeFile(
    join(root, 'sessions/GAME/CAM_R/manifest.json'),
    JSON.stringify(manifestOf(film, { camera: 'CAM_R' })),
  );
  await mkdir(join(root, 'sessions/GAME/CAM_X'), { recursive: true });
  await cp(film.path, join(root, 'sessions/GAME/CAM_X/recording.mp4'));
  await writeFile(
    join(root, 'sessions/GAME/CAM_X/manifest.json'),
    JSON.stringify({
      ...manifestOf(film, {}),
      checksum: { algorithm: 'sha256', value: 'a'.repeat(64) },
    }),
  );

  const second = await startCentral(t, root);
  t.same(await filesBelow(join(root, 'temp')), [], 'the draft is gone');
  const { sessions } = (await ask(`${second.url}/api/v1/sessions`)).body;
  t.match(
    sessions,
    [
      {
        session_id: 'GAME',
        recordings: [{ camera_id: 'CAM_C' }, { camera_id: 'CAM_R', sha256: film.sha256 }],
      },
    ],
    'the catalogue is there, and healed',
  );
  t.equal(sessions[0].recordings.length, 2, 'a file that is not what its manifest says is left out');
  t.ok(
    second.lines.some((line) => /not the one its manifest describes/.test(String(line.msg))),
    'and that is said',
  );
  t.match(await upload(second, film, { camera_id: 'CAM_R' }), { status: 200, body: { already_there: true } });
  t.match(
    await upload(second, film),
    { status: 200, body: { already_there: false, stored_as: 'GAME' } },
    'again',
  );
  await second.stop('SIGTERM');

  await rm(join(root, 'database'), { recursive: true });
  const third = await startCentral(t, root);
  t.match(
    (await ask(`${third.url}/api/v1/sessions`)).body.sessions,
    [{ session_uid: sessions[0].session_uid, folder: 'GAME', recordings: { length: 3 } }],
    'a lost database is filled again from the folders, uid and all',
  );
});

t.test('a stop in the middle of an upload', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'), { width: 1280, height: 720, seconds: 4 });
  const central = await startCentral(t, root);
  const half = await halfUpload(central.url, film);
  await underWay(root);
  const since = Date.now();
  t.equal(await central.stop('SIGTERM'), 0, 'ends in good order');
  t.ok(Date.now() - since < 5000, `within seconds (${Date.now() - since} ms)`);
  const { status, body } = await half.ended;
  t.equal(status, 503, 'the sender is told');
  t.equal(JSON.parse(body ?? '{}').code, 'shutting_down');
  t.same(await filesBelow(join(root, 'temp')), [], 'and nothing is left');
});

t.test('a second server on the same storage', async (t) => {
  const root = await tempFolder(t);
  const first = await startCentral(t, root);
  const before = await filesBelow(root);
  await t.rejects(startCentral(t, root), { message: /another central server uses/ }, 'is refused by name');
  const grown = (await filesBelow(root)).filter((name) => !before.includes(name));
  t.same(
    grown.filter((name) => !name.startsWith('database/')),
    [],
    'and touched nothing',
  );
  t.match(await ask(`${first.url}/api/v1/health`), { status: 200, body: { database: 'ok' } });
  await first.stop('SIGKILL');
  const next = await startCentral(t, root);
  t.match(await ask(`${next.url}/api/v1/health`), { status: 200 }, 'the lock ends with its process');
  const database = processesOf('postgres', join(root, 'database'));
  t.equal(database.length, 1, 'one database');
});

t.test('Ctrl-C in a terminal reaches all of its processes', async (t) => {
  const root = await tempFolder(t);
  const central = await startCentral(t, root);
  const group = (pid: number): number =>
    Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2]);
  const [postgres] = processesOf('postgres', join(root, 'database'));
  t.ok(postgres && central.child.pid);
  t.not(group(postgres ?? 0), group(central.child.pid ?? 0), 'but not the database');
  t.equal(await central.stop('SIGINT'), 0);
  t.same(
    central.lines.filter((line) => typeof line.level === 'number' && line.level >= 40),
    [],
    'it stops without a warning',
  );
});
