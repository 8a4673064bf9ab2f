import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { ask, makeFilm, manifestOf, startCentral, tempFolder, upload } from '../fixtures/central.ts';

t.setTimeout(60_000);

t.test('the files of a session', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'));
  const bytes = await readFile(film.path);
  const central = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  const rows = '{"a row":1}\n{"another":2}\n';
  const manifest = JSON.stringify(manifestOf(film, {}));
  const marks = '{"kind":"kick-off"}\n';
  t.match(await upload(central, film, { manifest, timeline: rows, marks }), { status: 200 });
  const more = `${marks}{"kind":"score"}\n`;
  const again = { manifest, timeline: 'later', marks: more };
  t.match(await upload(central, film, again), { status: 200 }, 'sent again');
  t.match(
    await upload(central, film, { manifest, marks }),
    { status: 200 },
    'and once more, as it was before',
  );
  t.match(await upload(central, film, { camera_id: 'CAM_C', part: '2' }), { status: 200 });
  const stitched = join(root, 'sessions/GAME/stitched');
  await mkdir(stitched);
  await writeFile(join(stitched, 'panorama.mp4'), bytes.subarray(0, 1000));
  const { sessions } = (await ask(`${central.url}/api/v1/sessions`)).body;
  const [session] = sessions;
  const byCamera = (camera: string) =>
    session.recordings.find((one: { camera_id: string }) => one.camera_id === camera);
  const url = `${central.url}${byCamera('CAM_L').original_url}`;
  const get = (headers: Record<string, string> = {}, of = url) => fetch(of, { headers });
  const body = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

  const whole = await get();
  const etag = whole.headers.get('etag') ?? '';
  t.equal(whole.status, 200);
  t.ok((await body(whole)).equals(bytes), 'the bytes that were sent');
  t.match(Object.fromEntries(whole.headers), {
    'content-type': 'video/mp4',
    'content-length': String(bytes.length),
    'accept-ranges': 'bytes',
    'content-disposition': 'inline; filename="GAME_CAM_L.mp4"',
  });
  t.equal(etag, `"${film.sha256}"`, 'named by their hash');

  const some = await get({ range: 'bytes=100-199' });
  t.equal(some.status, 206);
  t.equal(some.headers.get('content-range'), `bytes 100-199/${bytes.length}`);
  t.ok((await body(some)).equals(bytes.subarray(100, 200)));
  const tail = await get({ range: 'bytes=-50' });
  t.ok((await body(tail)).equals(bytes.subarray(-50)), 'the last bytes');
  const none = await get({ range: `bytes=${bytes.length}-` });
  t.equal(none.status, 416);
  t.equal(none.headers.get('content-range'), `bytes */${bytes.length}`);
  t.match(await none.json(), { code: 'range_not_satisfiable' });
  t.equal((await get({ range: 'bytes=0-9', 'if-range': etag })).status, 206, 'of the same file');
  t.equal((await get({ range: 'bytes=0-9', 'if-range': '"other"' })).status, 200, 'of another: all of it');
  t.equal((await get({ 'if-none-match': etag })).status, 304, 'a browser keeps what is the same');
  const head = await fetch(url, { method: 'HEAD' });
  t.equal(head.headers.get('content-length'), String(bytes.length));
  t.equal((await body(head)).length, 0);
  const kept = await get({}, `${url}?download`);
  t.equal(kept.headers.get('content-disposition'), 'attachment; filename="GAME_CAM_L.mp4"');

  const timeline = await get({}, url.replace('original.mp4', 'timeline.jsonl'));
  t.equal((await body(timeline)).toString(), rows, 'the timeline that came first, as it came');
  const moments = await get({}, url.replace('original.mp4', 'marks.jsonl'));
  t.equal((await body(moments)).toString(), more, 'the moments, which only become more');

  for (const missing of [
    `${central.url}${byCamera('CAM_C').original_url.replace('original.mp4', 'timeline.jsonl')}`,
    url.replace('CAM_L', 'CAM_X'),
    url.replace('/1/', '/2/'),
    url.replace('original', 'proxy'),
    `${central.url}${byCamera('CAM_C').original_url.replace('original.mp4', 'manifest.json')}`,
  ])
    t.match(await (await get({}, missing)).json(), { code: 'not_found' }, missing);
  t.equal(byCamera('CAM_C').manifest_url, null);
  for (const path of ['..%2f..%2f..', 'CAM_L%2f..%2f', '.', 'CAM_L%00'])
    t.ok([400, 404].includes((await get({}, url.replace('CAM_L', path))).status), `"${path}" leads nowhere`);
  const port = Number(new URL(central.url).port);
  const raw = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(
        'GET /assets/../../../../etc/passwd HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n',
      ),
    );
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
  });
  t.notMatch(raw, /root:/, 'nor do dots in the address');

  const sums = await (
    await get({}, `${central.url}/api/v1/sessions/${session.session_uid}/checksums`)
  ).text();
  t.match(sums, /GAME_CAM_C.p2.mp4\n.*GAME_CAM_L.mp4\n.*GAME_CAM_L.json\n.*GAME_panorama.mp4\n/s);
  const folder = join(root, 'downloads');
  await mkdir(folder);
  await writeFile(join(folder, 'SUMS'), sums);
  const panorama = `${central.url}/api/v1/sessions/${session.session_uid}/panorama.mp4`;
  for (const address of [
    byCamera('CAM_L').original_url,
    byCamera('CAM_L').manifest_url,
    byCamera('CAM_C').original_url,
    new URL(panorama).pathname,
  ]) {
    const file = await get({}, `${central.url}${address}?download`);
    const name = /filename="(.*)"/.exec(file.headers.get('content-disposition') ?? '')?.[1] ?? '';
    await writeFile(join(folder, name), await body(file));
  }
  execFileSync('sha256sum', ['--strict', '-c', 'SUMS'], { cwd: folder });
  t.pass('what was downloaded is checked with sha256sum');

  const before = (await get({}, panorama)).headers.get('etag');
  await writeFile(join(stitched, 'panorama.mp4'), bytes.subarray(1000, 2000));
  const after = (await get({}, panorama)).headers.get('etag');
  t.not(before, after, 'another panorama has another name');
  t.equal(after, `"${createHash('sha256').update(bytes.subarray(1000, 2000)).digest('hex')}"`);
});
