import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { updateLockConformance } from '#ports/update-lock/conformance.ts';
import { fileUpdateLock } from '#ports/update-lock/file-lock.ts';
import { memoryUpdateLocks } from '#ports/update-lock/memory-lock.ts';
import type { LockOutcome } from '#ports/update-lock/update-lock.ts';

t.setTimeout(120_000);

/** Of matches that are recorded, and updates that come in between. */
const ROUNDS = Number(process.env.TOUCHLINE_LOCK_ROUNDS ?? 6);

async function folders(t: Test, withHost = true): Promise<{ own: string; host: string; root: string }> {
  const root = await mkdtemp(join(tmpdir(), 'touchline-update-lock-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  if (withHost) mkdirSync(join(root, 'balena'));
  return { root, own: join(root, 'run', 'updates.lock'), host: join(root, 'balena', 'updates.lock') };
}

/** Another process with the lock. */
function holder(t: Test, owner: string, { own, host }: { own: string; host: string }) {
  const child = spawn(process.execPath, ['test/fixtures/lock-holder.ts', owner, own, host], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask<T = unknown>(line: string): Promise<T> {
      child.stdin.write(`${line}\n`);
      return JSON.parse((await lines.next()).value ?? 'null') as T;
    },
    kill: () => killed(child),
  };
}

async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** As the Supervisor does before it ends containers. */
function supervisorGets(path: string): boolean {
  try {
    writeFileSync(path, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  return true;
}

/** As an update of the host does: flock(1), which is not our code. */
function hostGets(path: string): boolean {
  return spawnSync('flock', ['--nonblock', path, 'true']).status === 0;
}

t.test('the lock in memory', async (t) => {
  const locks = memoryUpdateLocks();
  await updateLockConformance(t, {
    recorder: locks.of('recorder'),
    updater: locks.of('updater'),
    async crashRecorder() {
      locks.crash();
      return locks.of('recorder');
    },
  });
  t.equal(locks.mark, undefined);
});

for (const withHost of [true, false])
  t.test(`the lock in files, ${withHost ? 'as on balenaOS' : 'elsewhere'}`, async (t) => {
    const files = await folders(t, withHost);
    const recorder = fileUpdateLock({ owner: 'recorder', ...files });
    await updateLockConformance(t, {
      recorder,
      updater: fileUpdateLock({ owner: 'updater', ...files }),
      async crashRecorder() {
        recorder.release();
        const dying = holder(t, 'recorder', files);
        t.same(await dying.ask('take session Cup'), { kind: 'held' });
        await dying.kill();
        t.equal(
          statSync(files.own).mode & 0o777,
          0o664,
          'its file stays, for others of its group to take over',
        );
        return fileUpdateLock({ owner: 'recorder', ...files });
      },
    });
    t.notOk(existsSync(files.own));
    t.same(readdirSync(join(files.root, 'run')), [], 'nothing is left');
  });

t.test(
  `${ROUNDS} matches with real processes: no update begins in one, and none is kept away after it`,
  async (t) => {
    const files = await folders(t);
    const wanted = { ...files, owner: 'updater', host: join(files.root, 'other-container', 'updates.lock') };
    const updater = fileUpdateLock(wanted);
    let recorder = holder(t, 'recorder', files);
    const refused: string[] = [];
    const early: string[] = [];
    const tryAll = (): string[] => {
      const got: string[] = [];
      if (supervisorGets(files.host)) got.push('supervisor');
      if (existsSync(files.host) && hostGets(files.host)) got.push('host');
      if (updater.take('applying').kind === 'held') got.push('updater');
      updater.release();
      return got;
    };
    for (let round = 1; round <= ROUNDS; round++) {
      t.same(await recorder.ask(`take session ${round}`), { kind: 'held' });
      early.push(...tryAll());
      refused.push(updater.others()?.reason ?? 'nobody');
      if (round % 2 === 0) await recorder.ask('release');
      else {
        // It dies in the middle, and the next one holds the lock until it knows what goes on.
        await recorder.kill();
        t.equal(supervisorGets(files.host), false, 'also between death and next start');
        recorder = holder(t, 'recorder', files);
        t.equal(await recorder.ask('adopt the session may go on'), true);
        early.push(...tryAll());
        await recorder.ask('release');
      }
      const got = tryAll();
      t.same(got, ['supervisor', 'host', 'updater'], `round ${round}: then an update begins`);
      await rm(files.host);
      t.notOk(existsSync(files.own));
    }
    t.same(early, [], 'no update began in a match');
    t.same(
      refused,
      Array.from({ length: ROUNDS }, (_, index) => `session ${index + 1}`),
    );
  },
);

t.test('what others hold', async (t) => {
  const files = await folders(t);
  const lock = fileUpdateLock({ owner: 'recorder', ...files });
  await t.test('an update of the host', async (t) => {
    const host = spawn('flock', [files.host, 'sh', '-c', 'echo held; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.teardown(() => host.kill('SIGKILL'));
    await once(host.stdout, 'data');
    t.match(lock.others(), { owner: 'another program' });
    t.match(lock.take('armed'), { kind: 'taken', by: { owner: 'another program' } });
    t.notOk(existsSync(files.own), 'nothing is kept when not all can be had');
    host.stdin.end();
    await once(host, 'exit');
    t.match(lock.take('armed'), { kind: 'held' }, 'a file that somebody left there is used');
    t.equal(hostGets(files.host), false);
    lock.release();
    t.ok(existsSync(files.host), 'and not removed');
    await rm(files.host);
  });
  await t.test(
    'the Supervisor',
    { skip: process.getuid?.() !== 0 && 'only root can make a file of its user' },
    async (t) => {
      writeFileSync(files.host, '');
      chownSync(files.host, 65_534, 65_534);
      t.match(lock.others(), { owner: 'Supervisor' });
      const outcome = lock.take('armed');
      t.match(outcome, { kind: 'taken', by: { owner: 'Supervisor' } });
      await rm(files.host);
      t.equal(lock.others(), undefined);
    },
  );
});

t.test('where locking fails it says so', async (t) => {
  const files = await folders(t);
  const nowhere = fileUpdateLock({ owner: 'recorder', own: '/proc/own.lock', host: files.host });
  const outcome = nowhere.take('armed') as Extract<LockOutcome, { kind: 'failed' }>;
  t.match(outcome, { kind: 'failed', error: { code: 'update_lock_failed' } });
  t.match(outcome.error.message, /\/proc\/own/);
  t.equal(nowhere.others(), undefined);
  t.equal(nowhere.adopt('x'), false);
  // A folder that cannot be written to: /proc is one for root too.
  const half = fileUpdateLock({ owner: 'recorder', own: files.own, host: '/proc/updates.lock' });
  t.match(half.take('armed'), { kind: 'failed' });
  t.notOk(existsSync(files.own), 'and the half that could be had is given back');
});

t.test('a long reason does not make two files of one', async (t) => {
  const files = await folders(t);
  const lock = fileUpdateLock({ owner: 'recorder', ...files });
  lock.take('x'.repeat(5000));
  lock.take('short');
  t.same(JSON.parse(readFileSync(files.own, 'utf8')), {
    touchline: 'update-lock',
    owner: 'recorder',
    reason: 'short',
  });
  lock.release();
});
