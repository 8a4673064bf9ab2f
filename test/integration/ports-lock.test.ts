import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { JobRequest } from '#ports/jobs/jobs.ts';
import { scratchFolders } from '#ports/jobs/scratch.ts';
import { fileLock } from '#ports/lock/file-lock.ts';

t.setTimeout(60_000);

async function tempFolder(t: Test): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'touchline-lock-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  return root;
}

t.test('a lock has one holder', async (t) => {
  const path = join(await tempFolder(t), 'lock');
  const first = await fileLock(path, 0);
  t.ok(first);
  t.equal(await fileLock(path, 0), undefined, 'nobody else gets it');
  const waiting = fileLock(path, 30);
  await first?.release();
  const second = await waiting;
  t.ok(second, 'who waits gets it when it is released');
  await second?.release();
  const folder = await fileLock(join(path, '..'), 0);
  t.ok(folder, 'a folder too');
  await folder?.release();
  await t.rejects(fileLock('/nowhere/lock', 0), { code: 'disk_missing' });
});

t.test('a lock ends with its process, however that ends', async (t) => {
  const path = join(await tempFolder(t), 'lock');
  const program = `const { fileLock } = await import('#ports/lock/file-lock.ts');
    await fileLock(${JSON.stringify(path)}, 0); console.log('held'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  t.equal(await fileLock(path, 0), undefined, 'held by the other');
  holder.kill('SIGKILL');
  const mine = await fileLock(path, 30);
  t.ok(mine, 'free after kill -9');
  await mine?.release();
});

const job = (change: Partial<Extract<JobRequest, { kind: 'panorama' }>> = {}): JobRequest => ({
  kind: 'panorama',
  session_uid: '01HZZZZZZZZZZZZZZZZZZZZZZA',
  subject: '',
  settings: { calibration: 'auto', match_exposure: true },
  ...change,
});

t.test('work folders', async (t) => {
  const root = join(await tempFolder(t), 'work');
  const folders = scratchFolders(root);
  const first = await folders.open(job());
  await writeFile(join(first.path, 'segment'), 'x');
  await first.close(true);
  const again = await folders.open(job({ settings: { match_exposure: true, calibration: 'auto' } }));
  t.same(await readdir(again.path), ['segment'], 'the next run of the same finds what was left');

  const beside = await folders.open(job());
  t.match(beside, { resumable: false }, 'one that is in use is left alone');
  t.not(beside.path, again.path);
  await beside.close(true);
  t.same((await readdir(root)).length, 1, 'a folder that nobody could find again is removed');
  const other = await folders.open(job({ session_uid: '01HZZZZZZZZZZZZZZZZZZZZZZB' }));
  await other.close(true);
  t.equal((await readdir(root)).length, 2, 'another session has another');
  const superseding = await folders.open(job({ settings: { calibration: 'none', match_exposure: true } }));
  t.equal((await readdir(root)).length, 3, 'what is in use is not superseded');
  await superseding.close(true);
  await again.close(true);
  const next = await folders.open(job({ settings: { calibration: 'none', match_exposure: false } }));
  await next.close(true);
  t.equal((await readdir(root)).length, 2, 'other settings take the place of those before');
  const done = await folders.open(job({ settings: { calibration: 'none', match_exposure: false } }));
  await done.close(false);
  t.notOk((await readdir(root)).includes(done.path.split('/').at(-1) ?? ''), 'what is done is removed');

  await mkdir(join(root, 'left-by-an-earlier-version'));
  const [old] = await readdir(root);
  const eightDaysAgo = Date.now() / 1000 - 8 * 24 * 3600;
  const kept = await folders.open(job());
  await kept.close(true);
  await utimes(join(root, old ?? ''), eightDaysAgo, eightDaysAgo);
  await folders.tidy();
  t.same(
    await readdir(root),
    [kept.path.split('/').at(-1)],
    'tidied: strangers, and what nobody came back for',
  );
  t.ok((await stat(kept.path)).isDirectory());
});
