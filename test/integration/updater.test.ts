import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { nodeRoutes } from '#contracts/routes.ts';
import type { UpdaterState } from '#contracts/updates.ts';
import { updateChannel } from '#ota/channel-parts.ts';
import { createUpdater } from '#ota/service.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { httpSupervisor } from '#ports/supervisor/http-supervisor.ts';
import { hostUpdateLock, sharedUpdateLock } from '#ports/update-lock/file-lock.ts';
import { memoryUpdateLocks } from '#ports/update-lock/memory-lock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { recordingNode } from '../fixtures/recording-node.ts';
import { standInSupervisor } from '../fixtures/supervisor.ts';

t.setTimeout(120_000);
const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;

async function until<T>(what: string, found: () => T | undefined | false): Promise<T> {
  const deadlineUs = clock.monoUs() + 30e6;
  for (;;) {
    const value = found();
    if (value !== undefined && value !== false) return value;
    if (clock.monoUs() > deadlineUs) throw new Error(`30 s passed without: ${what}`);
    await clock.sleepUntil(clock.monoUs() + 20_000, what);
  }
}

const oClock = (hour: number): string => `${String(hour % 24).padStart(2, '0')}:00`;

/** A node with real recorder, api and updater, and the stand-in of the Supervisor beside it. */
async function updatedNode(t: Test, automatic: 'never' | 'always') {
  const broker = memoryBroker();
  const hour = new Date().getHours();
  // Never now.
  const window = { from: oClock(hour + 6), to: oClock(hour + 7) };
  const node = await recordingNode(t, {
    broker,
    settings: { updates: { channel: 'balena', automatic, window } },
  });
  const root = join(node.config.runtime_dir, '..');
  const { updates } = node.config;
  const others = join(root, 'balena-updater', 'updates.lock');
  mkdirSync(join(root, 'balena-updater'));
  const supervisor = await standInSupervisor([updates.host_lock, others]);
  t.teardown(() => supervisor.stop());
  const create = (): Unit => {
    const config = { ...node.config, updates: { ...updates, host_lock: others } };
    const bus = createBus({
      rig: config.rig,
      node: config.camera_id,
      service: 'updater',
      broker,
      clock,
      log,
    });
    const env = { BALENA_SUPERVISOR_ADDRESS: supervisor.address, BALENA_SUPERVISOR_API_KEY: supervisor.key };
    const lock = sharedUpdateLock('updater', config);
    return group(
      bus,
      createUpdater({
        ...{ config, clock, bus, log, lookEveryMs: 50 },
        state: localDisk(config.state_dir),
        lock,
        hold: hostUpdateLock('updater', config),
        channel: updateChannel(config, { clock, lock, env }),
      }),
    );
  };
  let updater = create();
  await updater.start(signal);
  t.teardown(() => updater.stop());
  let state: UpdaterState | undefined;
  node.bus.watchState('updater', (_node, seen) => {
    state = seen.online ? seen.state : undefined;
  });
  return {
    node,
    supervisor,
    hostLock: updates.host_lock,
    holdFile: others,
    sharedLock: join(node.config.runtime_dir, 'updates.lock'),
    until: (what: string, fits: (found: UpdaterState) => boolean): Promise<UpdaterState> =>
      until(what, () => state && fits(state) && state).catch((error: Error) => {
        throw new Error(`${error.message}; last state ${JSON.stringify(state)}`);
      }),
    /** What the Supervisor does to its container. */
    async replaceUpdater() {
      await updater.stop();
      updater = create();
      await updater.start(signal);
    },
    async post(route: string, body: object = {}) {
      const response = await fetch(`${node.url}${route}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    async get(route: string) {
      const response = await fetch(`${node.url}${route}`);
      return { status: response.status, body: await response.json() };
    },
  };
}

t.test('an update waits for the end of the match, says why, and then comes', async (t) => {
  const on = await updatedNode(t, 'never');
  const { node, supervisor } = on;
  await on.until('nothing to do', ({ phase, current }) => phase === 'idle' && current === supervisor.commit);
  t.ok(existsSync(on.holdFile), 'the Supervisor does not choose the moment');
  t.match(await on.post(nodeRoutes.updateApply), { status: 409, body: { code: 'no_update' } });
  t.match(await on.post(nodeRoutes.updateRollback), { status: 409, body: { code: 'rollback_impossible' } });

  await node.start('Cup');
  t.ok(existsSync(on.sharedLock) && existsSync(on.hostLock), 'both locks are held from the first moment');
  await node.until(
    'recording',
    ({ state, update_lock }) => state === 'recording' && update_lock?.held === true,
  );
  supervisor.offer(101);
  await on.until('download', ({ phase, progress }) => phase === 'downloading' && progress === 0.4);
  supervisor.downloaded();
  await on.until('the reason', ({ phase, reason }) => phase === 'waiting' && reason === 'session Cup');
  const refused = await on.post(nodeRoutes.updateApply);
  t.match(refused, {
    status: 409,
    body: {
      code: 'update_locked',
      details: { owner: 'recorder', reason: 'session Cup', version: 'release 101' },
    },
  });
  t.match(await on.post(nodeRoutes.updateApply, { queue: true }), {
    status: 200,
    body: { phase: 'queued', version: 'release 101', reason: 'session Cup' },
  });
  t.match((await on.get(nodeRoutes.update)).body, {
    phase: 'queued',
    owner: 'recorder',
    lock: { owner: 'recorder' },
  });
  t.match((await on.get(nodeRoutes.status)).body, { updater: { version: 'release 101' } });

  const before = supervisor.commit;
  let records: string | undefined = 'unknown';
  supervisor.onReplace = async () => {
    records = (await node.until('any state', () => true)).state;
    await on.replaceUpdater();
  };
  await node.stop();
  await on.until('the new release', ({ current, phase }) => current !== before && phase === 'verifying');
  t.equal(records, 'idle', 'it began after the file was finished');
  t.same(supervisor.asked.at(-1), { force: false, cancel: true });
  t.notOk(existsSync(on.sharedLock) || existsSync(on.hostLock), 'no lock is left');
  const kept = JSON.parse(readFileSync(join(node.config.state_dir, 'updates.json'), 'utf8'));
  t.match(kept, { phase: 'verifying', known_as: 'release 101', from: before, asked_by: 'rest' });
});

t.test('the Supervisor at work is a hard gate; a recorder that armed is none of its business', async (t) => {
  const on = await updatedNode(t, 'always');
  const { node, supervisor } = on;
  await on.until('nothing to do', ({ phase }) => phase === 'idle');
  t.notOk(existsSync(on.holdFile), 'with "always" and one camera nothing is held back');
  await node.bus.request('CAM_C', 'arm', {}, { timeoutMs: 10_000 });
  supervisor.offer(7);
  supervisor.downloaded();
  await on.until('it waits', ({ phase, reason }) => phase === 'queued' && reason === 'armed');
  const replacing = Promise.withResolvers<void>();
  const replaced = Promise.withResolvers<void>();
  supervisor.onReplace = async () => {
    replacing.resolve();
    await replaced.promise;
  };
  await node.bus.request('CAM_C', 'disarm', {}, { timeoutMs: 10_000 });
  await replacing.promise;
  if (process.getuid?.() === 0) {
    const gated = await node.until('the gate', ({ gates }) => gates.some(({ gate }) => gate === 'update'));
    t.match(
      gated.gates.find(({ gate }) => gate === 'update'),
      { level: 'hard', reason: /an update is being applied \(Supervisor/ },
    );
    await t.rejects(node.start('Late'), { code: 'no_camera_ready' }, 'a start is refused, with that reason');
    await t.rejects(node.bus.request('CAM_C', 'arm', {}, { timeoutMs: 10_000 }), { code: 'not_ready' });
  }
  replaced.resolve();
  await on.until('the new release', ({ phase }) => phase === 'verifying');
  const free = await node.until('no gate', ({ gates }) => gates.every(({ gate }) => gate !== 'update'));
  t.equal(free.update_lock?.held, false);
  await node.record('Cup', 1);
  t.notOk(existsSync(on.sharedLock) || existsSync(on.hostLock), 'and a match is recorded after it');
});

t.test('what the Supervisor may answer', async (t) => {
  const standIn = await standInSupervisor([]);
  t.teardown(() => standIn.stop());
  const supervisor = httpSupervisor({ address: standIn.address, key: standIn.key });
  t.match(await supervisor.state(signal), { commit: standIn.commit, pending: null });
  standIn.offer(102);
  t.match(await supervisor.state(signal), { pending: { release: 102, downloaded: false, progress: 0.4 } });
  await t.rejects(httpSupervisor({ address: standIn.address, key: 'wrong' }).state(signal), {
    code: 'update_failed',
    message: /401/,
  });
  standIn.failWith = 503;
  await t.rejects(supervisor.update(signal), { code: 'update_failed', message: /unhappy/ });
  await standIn.stop();
  await t.rejects(supervisor.state(signal), { code: 'update_source_unreachable' });
  const lock = memoryUpdateLocks().of('updater');
  t.throws(() => updateChannel({ updates: { channel: 'balena' } } as never, { clock, lock, env: {} }), {
    code: 'supervisor_missing',
    field: 'updates.channel',
  });
});
