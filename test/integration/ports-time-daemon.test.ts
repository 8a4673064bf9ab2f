import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { chronyConfig } from '#domain/chrony/config.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { type ChronydOptions, chronyd } from '#ports/time-daemon/chronyd.ts';
import { daemonConformance } from '#ports/time-daemon/conformance.ts';
import { simulatedDaemon } from '#ports/time-daemon/simulated-daemon.ts';
import type { TimeDaemon } from '#ports/time-daemon/time-daemon.ts';
import { freeUdpPorts } from '../fixtures/bridges.ts';

const clock = systemClock();

/** Debian's chronyd, which measures and never touches the clock of this machine. */
async function observer(t: Test, options: Partial<ChronydOptions> = {}): Promise<TimeDaemon> {
  // Short: a socket's path has 107 bytes at most.
  const root = await mkdtemp(join(tmpdir(), 'touchline-chrony-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  return chronyd({
    clock,
    runtimeFolder: join(root, 'run'),
    stateFolder: join(root, 'state'),
    control: 'observe',
    ...options,
  });
}

async function plan(daemon: TimeDaemon): Promise<string> {
  const [port = 0] = await freeUdpPorts(1);
  return chronyConfig({
    role: 'master',
    port,
    others: ['127.0.0.1'],
    upstream: [],
    mayStep: false,
    files: daemon.files,
  });
}

/** A program that stands in for another one. */
async function standIn(t: Test, script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'touchline-stand-in-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'program');
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const pidOf = async (daemon: TimeDaemon): Promise<number> =>
  Number(await readFile(daemon.files.pidFile, 'utf8'));

t.test("Debian's chronyd behaves like a time daemon", async (t) => {
  const daemon = await observer(t);
  await daemonConformance(t, {
    daemon,
    config: await plan(daemon),
    kill: async () => void process.kill(await pidOf(daemon), 'SIGKILL'),
  });
});

t.test('and so does the simulated one', async (t) => {
  const daemon = simulatedDaemon();
  await daemonConformance(t, {
    daemon,
    config: await plan(daemon),
    kill: async () => daemon.die('ended by SIGKILL'),
  });
});

t.test('what a killed program left running is ended first', async (t) => {
  const daemon = await observer(t);
  const config = await plan(daemon);
  const left = await daemon.start(config);
  const leftPid = await pidOf(daemon);
  const next = await daemon.start(config);
  t.teardown(() => next.stop());
  t.not(await pidOf(daemon), leftPid);
  t.match(await left.ended, /exit code 0/, 'asked to, it ended');
  t.match(await next.tracking(), { stratum: 8 });
});

t.test('what is missing or broken has a name', async (t) => {
  const daemon = async (options: Partial<ChronydOptions>): Promise<TimeDaemon> => observer(t, options);
  await t.rejects((await daemon({ daemon: '/nowhere/chronyd' })).start(''), {
    code: 'program_missing',
    message: /apt-get install -y chrony/,
  });
  const garbage = await daemon({ client: await standIn(t, 'echo "506 Cannot talk to daemon"') });
  const running = await garbage.start(await plan(garbage));
  t.teardown(() => running.stop());
  await t.rejects(running.tracking(), { code: 'time_daemon_failed', message: /506 Cannot talk to daemon/ });

  const refused = await standIn(
    t,
    'echo "Fatal error : adjtimex(0x8001) failed : Operation not permitted" >&2; exit 1',
  );
  const without = await daemon({ daemon: refused });
  await t.rejects(without.start(await plan(without)), {
    code: 'clock_not_permitted',
    message: /Operation not permitted/,
  });
});

t.test('the folder of its sockets is closed to others, as it demands', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'touchline-chrony-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'run'), { mode: 0o777 });
  const daemon = await observer(t, { runtimeFolder: join(root, 'run') });
  const running = await daemon.start(await plan(daemon));
  t.match(await running.tracking(), { stratum: 8 });
  await running.stop();
  t.equal(await daemon.resolve('127.0.0.1'), '127.0.0.1');
  t.equal(await daemon.resolve('no-such-camera.invalid'), undefined);
});
