import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import {
  additionsOf,
  ask,
  type Film,
  filesBelow,
  makeFilm,
  manifestOf,
  startCentral,
  tempFolder,
  until,
  upload,
} from '../fixtures/central.ts';

// Several servers are started one after the other, on a machine that may be busy.
t.setTimeout(120_000);

const UID_A = '01HZZZZZZZZZZZZZZZZZZZZZZA';
const UID_B = '01HZZZZZZZZZZZZZZZZZZZZZZB';

function film(path: string, bytes: Buffer): Film {
  return {
    path,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    width: 0,
    height: 0,
    seconds: 0,
  };
}

/** Sends the fields and the beginning of a file, and then nothing. */
function slowUpload(url: string, one: Film, bytes: number): ClientRequest {
  const boundary = 'slow';
  const text = (name: string, value: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const sending = request(`${url}/api/v1/upload`, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  });
  sending.on('error', () => sending.destroy());
  sending.write(
    text('session_id', 'GAME') +
      text('camera_id', 'CAM_L') +
      text('checksum', one.sha256) +
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="x.mp4"\r\ncontent-type: video/mp4\r\n\r\n`,
  );
  void readFile(one.path).then((content) => sending.write(content.subarray(0, bytes)));
  return sending;
}

t.test('a recording gets its place, and keeps it', async (t) => {
  const root = await tempFolder(t);
  const one = makeFilm(join(root, 'one.mp4'));
  const two = makeFilm(join(root, 'two.mp4'), { source: 'testsrc' });
  const central = await startCentral(t, root);
  const stored = (folder: string, camera = 'CAM_L') =>
    join(root, 'sessions', folder, camera, 'recording.mp4');
  const confirm = (body: object) =>
    ask(`${central.url}/api/v1/upload/confirm`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  const curl = JSON.parse(
    execFileSync('curl', [
      ...['-sS', '-F', 'session_id=GAME', '-F', 'camera_id=CAM_L', '-F', `checksum=${one.sha256}`],
      ...['-F', `manifest=${JSON.stringify(manifestOf(one, {}))}`],
      ...['-F', `file=@${one.path};type=video/mp4`, `${central.url}/api/v1/upload`],
    ]).toString(),
  );
  t.match(curl, {
    success: true,
    recording_id: 'GAME_CAM_L',
    file_size: one.sizeBytes,
    checksum_verified: true,
    stored_as: 'GAME',
    already_there: false,
    renamed: false,
  });
  t.same(await readFile(stored('GAME')), await readFile(one.path), 'byte for byte');
  t.same(
    JSON.parse(await readFile(join(root, 'sessions/GAME/CAM_L/manifest.json'), 'utf8')),
    manifestOf(one, {}),
    'with its manifest',
  );

  t.match((await upload(central, one)).body, {
    already_there: true,
    session_uid: curl.session_uid,
    stored_as: 'GAME',
  });
  const name = { session_id: 'GAME', camera_id: 'CAM_L' };
  const wanted = { ...name, success: true, part: 1, file_size: one.sizeBytes, checksum_sha256: one.sha256 };
  t.match((await confirm(name)).body, wanted, 'confirmed from the catalogue');
  t.match((await confirm({ ...name, verify: 'deep' })).body, wanted, 'and from the disk');

  const damaged = await readFile(one.path);
  damaged.writeUInt8(damaged.readUInt8(5000) ^ 1, 5000);
  await writeFile(stored('GAME'), damaged);
  t.equal(
    (await confirm(name)).body.checksum_sha256,
    one.sha256,
    'the catalogue does not see a damaged copy',
  );
  t.not((await confirm({ ...name, verify: 'deep' })).body.checksum_sha256, one.sha256, 'a deep look does');
  t.match((await upload(central, one)).body, { already_there: false, stored_as: 'GAME', renamed: false });
  t.equal((await confirm({ ...name, verify: 'deep' })).body.checksum_sha256, one.sha256, 'replaced');

  const beside = (await upload(central, two)).body;
  t.match(beside, { renamed: true, already_there: false, stored_as: `GAME~${beside.session_uid.slice(-6)}` });
  t.same(await readFile(stored('GAME')), await readFile(one.path), 'the first is not touched');
  t.match((await upload(central, two)).body, { ...beside, already_there: true }, 'found again');
  t.equal((await confirm({ ...name, session_uid: curl.session_uid })).body.checksum_sha256, one.sha256);
  t.equal((await confirm({ ...name, session_uid: beside.session_uid })).body.checksum_sha256, two.sha256);

  const withUid = (await upload(central, one, { session_uid: UID_A })).body;
  t.match(withUid, {
    session_uid: UID_A,
    stored_as: `GAME~${UID_A.slice(-6)}`,
    renamed: true,
    already_there: false,
  });
  t.match((await upload(central, one, { session_uid: UID_A })).body, { already_there: true });
  const changed = (await upload(central, two, { session_uid: UID_A })).body;
  t.match(changed, { renamed: true, already_there: false }, 'other bytes for the same place are kept beside');
  t.notSame(changed.session_uid, UID_A);
  t.match((await upload(central, two, { session_uid: UID_A })).body, { ...changed, already_there: true });
  t.match((await upload(central, two, { session_uid: UID_A, part: '2' })).body, {
    session_uid: UID_A,
    already_there: false,
  });
  t.ok((await filesBelow(join(root, 'sessions'))).includes(`GAME~${UID_A.slice(-6)}/CAM_L/recording.p2.mp4`));

  const late = { session: 'LATE', uid: UID_B };
  for (const final of [false, true]) {
    const plain = manifestOf(one, late);
    const manifest = JSON.stringify({ ...plain, touchline: additionsOf(plain, { ...late, final }) });
    t.match((await upload(central, one, { session_id: 'LATE', manifest })).body, { already_there: final });
    const kept = JSON.parse(await readFile(join(root, 'sessions/LATE/CAM_L/manifest.json'), 'utf8'));
    t.equal(kept.touchline.final, final, 'a part that turned out to be the last is known as the last');
  }

  const plainLate = manifestOf(one, late);
  const [from, to] = [plainLate.timing.start_time, plainLate.timing.end_time];
  const gaps = [{ from, to, frames: 1, reason: 'mended' }];
  for (const [final, known] of [
    [true, gaps],
    [false, gaps],
    [false, []],
  ] as const) {
    const touchline = { ...additionsOf(plainLate, { ...late, final }), gaps: known };
    const manifest = JSON.stringify({ ...plainLate, touchline });
    t.match((await upload(central, one, { session_id: 'LATE', manifest })).body, { already_there: true });
    const kept = JSON.parse(await readFile(join(root, 'sessions/LATE/CAM_L/manifest.json'), 'utf8'));
    t.match(kept.touchline, { final: true, gaps }, 'its gaps can be mended later; the last stays the last');
    t.same(kept.touchline.gaps, gaps);
  }

  const together = await Promise.all(
    ['CAM_L', 'CAM_C', 'CAM_R'].map((camera_id) => upload(central, one, { session_id: 'CUP', camera_id })),
  );
  t.same(
    [...new Set(together.map((answer) => answer.body.session_uid))].length,
    1,
    'three at once with a new name make one session',
  );

  for (const body of [
    { ...name, part: 9 },
    { ...name, session_id: 'NONE' },
    { ...name, session_uid: '01HZZZZZZZZZZZZZZZZZZZZZZC' },
  ])
    t.match(await confirm(body), { status: 404, body: { code: 'not_found' } });
  t.match(await confirm({ camera_id: 'CAM_L' }), {
    status: 400,
    body: { code: 'invalid_field', field: 'session_id' },
  });
  const { sessions } = (await ask(`${central.url}/api/v1/sessions`)).body;
  t.equal(sessions.length, 6);
  t.match(sessions[0], { session_id: 'CUP', complete: false, jobs: [], recordings: { length: 3 } });
  t.match(sessions[0].recordings[0], { sha256: one.sha256, file: stored('CUP', 'CAM_C'), manifest: null });
  t.match((await ask(`${central.url}/api/v1/sessions/${UID_A}`)).body, {
    session_uid: UID_A,
    recordings: { length: 2 },
  });
  t.match(await ask(`${central.url}/api/v1/sessions/01HZZZZZZZZZZZZZZZZZZZZZZC`), {
    status: 404,
    body: { code: 'not_found' },
  });
  t.match((await ask(`${central.url}/api/v1/health`)).body, {
    status: 'healthy',
    active_uploads: 0,
    database: 'ok',
    workers: 0,
  });
  t.same(await filesBelow(join(root, 'temp')), [], 'no drafts are left');
});

t.test('what is refused, and that nothing of it stays', async (t) => {
  const root = await tempFolder(t);
  const good = makeFilm(join(root, 'good.mp4'));
  const central = await startCentral(t, root, ['server.max_upload_size_gb=0.003']);
  const write = async (name: string, bytes: Buffer): Promise<Film> => {
    await writeFile(join(root, name), bytes);
    return film(join(root, name), bytes);
  };
  const head = (await readFile(good.path)).subarray(0, 64);
  const text = await write('text.mp4', Buffer.from('this is no film, whatever its name says'));
  const rubbish = await write('rubbish.mp4', Buffer.concat([head, Buffer.alloc(5000, 7)]));
  const large = await write('large.mp4', Buffer.concat([head, Buffer.alloc(3_000_000)]));
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac', '-f', 'mp4', join(root, 'sound.mp4')],
  ]);
  const sound = film(join(root, 'sound.mp4'), await readFile(join(root, 'sound.mp4')));

  const manifest = manifestOf(good, {});
  const withManifest = (change: object | string): Record<string, string> => ({
    manifest: typeof change === 'string' ? change : JSON.stringify({ ...manifest, ...change }),
  });
  const contradicts = (field: string, change: object) => ({
    why: `the manifest contradicts ${field}`,
    fields: withManifest(change),
    expect: { status: 400, body: { code: 'manifest_contradicts_file', field } },
  });
  const invalid = (field: string, fields: Record<string, string | undefined>) => ({
    why: `${field} is ${fields[field]}`,
    fields,
    expect: { status: 400, body: { code: 'invalid_field', field } },
  });
  const additions = additionsOf(manifest, { uid: UID_A });
  const huge = await write('huge.mp4', Buffer.concat([head, Buffer.alloc(6_000_000)]));
  const cases: { why: string; film?: Film; fields?: Record<string, string | undefined>; expect: object }[] = [
    { why: 'no film', film: text, expect: { status: 415, body: { code: 'not_mp4' } } },
    { why: 'only begins as one', film: rubbish, expect: { status: 415, body: { code: 'not_mp4' } } },
    { why: 'has no picture', film: sound, expect: { status: 415, body: { code: 'not_mp4' } } },
    {
      why: 'too large, and says so',
      film: huge,
      expect: { status: 413, body: { code: 'payload_too_large' } },
    },
    { why: 'too large', film: large, expect: { status: 413, body: { code: 'payload_too_large' } } },
    {
      why: 'other bytes than announced',
      fields: { checksum: 'a'.repeat(64) },
      expect: { status: 422, body: { code: 'checksum_mismatch', details: { received: good.sha256 } } },
    },
    invalid('session_id', { session_id: '../../etc' }),
    invalid('session_id', { session_id: '..' }),
    invalid('session_id', { session_id: undefined }),
    invalid('camera_id', { camera_id: 'CAM_L/../..' }),
    invalid('camera_id', { camera_id: '/etc/passwd' }),
    invalid('checksum', { checksum: 'abc' }),
    invalid('session_uid', { session_uid: '../x' }),
    invalid('part', { part: '0' }),
    invalid('part', { part: 'two' }),
    {
      why: 'no JSON',
      fields: withManifest('{'),
      expect: { status: 400, body: { code: 'invalid_manifest' } },
    },
    {
      why: 'no manifest 1.0',
      fields: withManifest({ version: '2.0' }),
      expect: { status: 400, body: { code: 'invalid_manifest', field: 'version' } },
    },
    {
      why: 'a manifest with a path for a file name',
      fields: withManifest({ file: { ...manifest.file, name: '../x.mp4' } }),
      expect: { status: 400, body: { code: 'invalid_manifest', field: 'file.name' } },
    },
    contradicts('recording.session_id', { recording: { ...manifest.recording, session_id: 'OTHER' } }),
    contradicts('recording.camera_id', { recording: { ...manifest.recording, camera_id: 'CAM_R' } }),
    contradicts('checksum.value', { checksum: { algorithm: 'sha256', value: 'b'.repeat(64) } }),
    contradicts('file.size_bytes', { file: { ...manifest.file, size_bytes: 1 } }),
    contradicts('file.codec', { file: { ...manifest.file, codec: 'h265' } }),
    contradicts('video.resolution.width', {
      video: { ...manifest.video, resolution: { width: 1920, height: 180 } },
    }),
    contradicts('touchline.part', { touchline: { ...additions, part: 2 } }),
    {
      why: 'the manifest contradicts touchline.session_uid',
      fields: { ...withManifest({ touchline: additions }), session_uid: UID_B },
      expect: { status: 400, body: { code: 'manifest_contradicts_file', field: 'touchline.session_uid' } },
    },
    contradicts('video.duration_sec', { video: { ...manifest.video, duration_sec: good.seconds + 0.6 } }),
  ];
  for (const one of cases) t.match(await upload(central, one.film ?? good, one.fields), one.expect, one.why);

  const post = (body: FormData | string, headers: Record<string, string> = {}) =>
    ask(`${central.url}/api/v1/upload`, { method: 'POST', body, headers });
  const form = (fill: (form: FormData) => void): FormData => {
    const made = new FormData();
    fill(made);
    return made;
  };
  const blob = new Blob([await readFile(good.path)], { type: 'video/mp4' });
  t.match(await post('{}', { 'content-type': 'application/json' }), {
    status: 415,
    body: { code: 'unsupported_media_type' },
  });
  t.match(
    await post(
      form((made) => {
        made.append('file', blob, 'a.mp4');
        made.append('session_id', 'GAME');
      }),
    ),
    { status: 400, body: { code: 'invalid_field', field: 'session_id', message: /before the file/ } },
    'the file before its fields',
  );
  const fields = { session_id: 'GAME', camera_id: 'CAM_L', checksum: good.sha256 };
  const texts = (made: FormData): void => {
    for (const [name, value] of Object.entries(fields)) made.append(name, value);
  };
  t.match(
    await post(form(texts)),
    { status: 400, body: { code: 'invalid_field', field: 'file' } },
    'no file',
  );
  t.match(
    await post(
      form((made) => {
        texts(made);
        made.append('film', blob, 'a.mp4');
      }),
    ),
    { status: 400, body: { code: 'invalid_field', field: 'file' } },
    'a file by another name',
  );
  t.match(
    await post(
      form((made) => {
        texts(made);
        made.append('manifest', 'x'.repeat(1_000_002));
        made.append('file', blob, 'a.mp4');
      }),
    ),
    { status: 400, body: { code: 'invalid_field', field: 'manifest' } },
    'a field that is too long',
  );
  const chunked = await new Promise<number | undefined>((resolve) => {
    const sending = slowUpload(central.url, large, large.sizeBytes);
    sending.on('response', (response) => {
      resolve(response.statusCode);
      sending.destroy();
    });
  });
  t.equal(chunked, 413, 'too large, when its size was not announced');

  const slow = slowUpload(central.url, good, 2000);
  await until(async () => (await ask(`${central.url}/api/v1/health`)).body.active_uploads === 1);
  await until(async () => (await filesBelow(join(root, 'temp', 'incoming'))).length === 1);
  t.match(await upload(central, good), { status: 409, body: { code: 'upload_in_progress' } });
  t.match(await upload(central, good, { camera_id: 'CAM_R' }), { status: 200 }, 'another camera meanwhile');
  slow.destroy();
  await until(async () => (await filesBelow(join(root, 'temp', 'incoming'))).length === 0);
  t.match(await upload(central, good), { status: 200 }, 'after the first sender went away');

  t.same(
    await filesBelow(join(root, 'sessions')),
    ['GAME/CAM_L/recording.mp4', 'GAME/CAM_R/recording.mp4', 'GAME/session.json'],
    'only what was accepted is there',
  );
  t.same(await filesBelow(join(root, 'temp')), [], 'no drafts are left');
  await central.stop('SIGTERM');

  const full = await startCentral(t, root, ['storage.min_free_space_gb=99999']);
  t.match(await upload(full, good), { status: 507, body: { code: 'insufficient_storage' } });
  t.match((await ask(`${full.url}/api/v1/health`)).body, { status: 'degraded' });
  await full.stop('SIGTERM');
  const bare = await startCentral(t, root, ['processing.ffmpeg_path=/nonexistent/ffmpeg']);
  t.match(await upload(bare, good, { camera_id: 'CAM_C' }), {
    status: 503,
    body: { code: 'program_missing', message: /apt-get install -y ffmpeg/ },
  });
  t.same(await filesBelow(join(root, 'temp')), [], 'and nothing is left of it');
});
