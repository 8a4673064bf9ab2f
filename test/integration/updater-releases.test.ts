import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NodeConfig } from '#contracts/node-config.ts';
import type { UpdaterState } from '#contracts/updates.ts';
import { updateChannel } from '#ota/channel-parts.ts';
import { releaseFeedChannel } from '#ota/channel-release-feed.ts';
import { httpReleaseFeed } from '#ota/channel-releases/feed.ts';
import { nodeHealth } from '#ota/channel-releases/node-health.ts';
import type { IsHealthy } from '#ota/channel-releases/outcomes.ts';
import { newReleaseKey } from '#ota/format/keys.ts';
import { createUpdater } from '#ota/service.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { localInstallDisk } from '#ports/install-disk/local-install-disk.ts';
import { systemdUnits } from '#ports/units/systemd-units.ts';
import { sharedUpdateLock } from '#ports/update-lock/file-lock.ts';
import { memoryUpdateLocks } from '#ports/update-lock/memory-lock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { createHousekeeper } from '#services/housekeeper/service.ts';
import { createReleaseServer } from '../../cli/release/serve.ts';
import { recordingNode } from '../fixtures/recording-node.ts';
import {
  folderFeed,
  layNode,
  makeRelease,
  newPair,
  RELEASED_AT_SEC,
  startable,
} from '../fixtures/releases.ts';

t.setTimeout(120_000);
const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;
const real = systemClock();
const RUNS_FASTER = 20;
const beganUs = real.monoUs();
/** A day on which the releases of the fixture are valid, and seconds of patience that pass sooner. */
const clock: Clock = {
  ...real,
  wallUs: () => RELEASED_AT_SEC * 1e6,
  monoUs: () => beganUs + (real.monoUs() - beganUs) * RUNS_FASTER,
  sleepUntil: (us, name, signal) => real.sleepUntil(beganUs + (us - beganUs) / RUNS_FASTER, name, signal),
};
const pair = newPair();
const good = await makeRelease(t.testdir({}), { version: '1.1.0', counter: 2 }, [pair]);
const BUNDLE = 'touchline-1.1.0-linux-amd64.tar.gz';
const OWN_RESTART = '--no-block restart touchline-updater.service';

/** A node of real parts on which 1.0.0 is installed, with a release server beside it; only systemctl is a stand-in. */
async function updatedNode(t: Test, settings: { automatic: 'never' | 'always' }) {
  const folder = t.testdir({});
  const root = join(folder, 'node');
  const served = join(folder, 'served', 'one');
  layNode(root, '1.0.0', 1);
  mkdirSync(served, { recursive: true });
  const offer = (release: string): void => {
    rmSync(served, { recursive: true });
    cpSync(release, served, { recursive: true });
  };
  const server = createReleaseServer({ folder: join(folder, 'served'), host: '127.0.0.1', port: 0, log });
  await server.start(signal);
  t.teardown(() => server.stop());

  const asked = join(folder, 'asked');
  const systemctl = join(folder, 'systemctl');
  writeFileSync(asked, '');
  writeFileSync(
    systemctl,
    `#!/bin/sh\necho "$*" >>${asked}\nif [ "$1" = is-active ]; then shift; for unit; do echo active; done; fi\n`,
    { mode: 0o755 },
  );

  const broker = memoryBroker();
  const node = await recordingNode(t, {
    broker,
    settings: {
      updates: { channel: 'releases', ...settings, releases: { feed: 'http://127.0.0.1:9', root } },
    },
  });
  const { config } = node;
  const busOf = (service: 'updater' | 'housekeeper' | 'broker'): Bus =>
    createBus({ rig: config.rig, node: config.camera_id, service, broker, clock: real, log });
  const [keeperBus, brokerBus] = [busOf('housekeeper'), busOf('broker')];
  const rest = group(
    keeperBus,
    brokerBus,
    createHousekeeper({ config, clock: real, disk: node.disk, bus: keeperBus, log, version: '0.0.0' }),
  );
  await rest.start(signal);
  t.teardown(() => rest.stop());
  brokerBus.setState('broker', { links: [] });

  const units = systemdUnits(systemctl);
  const services = ['touchline-recorder.service', 'touchline-api.service'];
  const limits = { patienceMs: 60_000, steadyMs: 1000, everyMs: 200 };
  const on = {
    isHealthy: nodeHealth({ units, services, api: node.url, clock, limits }) as IsHealthy,
    lockedWhileJudged: [] as boolean[],
  };
  const create = (): Unit => {
    const bus = busOf('updater');
    const lock = sharedUpdateLock('updater', config);
    const channel = releaseFeedChannel({
      ...{ root, lock, clock, units, services },
      disk: localInstallDisk(),
      feed: httpReleaseFeed(`${server.address()}/repos/club/touchline`),
      trusted: [pair.publicKey],
      architecture: 'amd64',
      ownUnit: 'touchline-updater.service',
      isHealthy: (version, signal) => {
        on.lockedWhileJudged.push(existsSync(join(config.runtime_dir, 'updates.lock')));
        return on.isHealthy(version, signal);
      },
    });
    const state = localDisk(config.state_dir);
    return group(
      bus,
      createUpdater({ ...{ config, clock, bus, log, lock, channel, state }, lookEveryMs: 50 }),
    );
  };
  let updater = create();
  let seen: UpdaterState | undefined;
  node.bus.watchState('updater', (_node, told) => {
    seen = told.online ? told.state : undefined;
  });
  const until = async <T>(what: string, found: () => T | undefined | false): Promise<T> => {
    const deadlineUs = real.monoUs() + 30e6;
    for (;;) {
      const value = found();
      if (value !== undefined && value !== false) return value;
      if (real.monoUs() > deadlineUs)
        throw new Error(`30 s passed without: ${what}; last state ${JSON.stringify(seen)}`);
      await real.sleepUntil(real.monoUs() + 20_000, what);
    }
  };
  t.teardown(() => updater.stop());
  const restarts = (): number => readFileSync(asked, 'utf8').split(OWN_RESTART).length - 1;
  return Object.assign(on, {
    folder,
    root,
    offer,
    start: () => updater.start(signal),
    lock: join(config.runtime_dir, 'updates.lock'),
    state: (what: string, fits: (state: UpdaterState) => boolean) =>
      until(what, () => seen && fits(seen) && seen),
    ask: (command: 'updateCheck' | 'updateApply' | 'updateRollback') =>
      node.bus.request(config.camera_id, command, {}, { timeoutMs: 10_000 }),
    /** What systemd does when the updater asks for its own restart, for the `count`th time. */
    async restarted(count: number) {
      await until(`restart ${count} of the updater`, () => restarts() >= count);
      await updater.stop();
      updater = create();
      await updater.start(signal);
    },
  });
}

t.test(
  'a release is offered, downloaded, applied, proved and kept; and gone back from on demand',
  async (t) => {
    const on = await updatedNode(t, { automatic: 'never' });
    on.offer(good);
    await on.start();
    const offered = await on.state('download', ({ phase }) => phase === 'waiting');
    t.match(offered, {
      channel: 'releases',
      current: '1.0.0',
      previous: null,
      version: '1.1.0',
      owner: 'person',
    });
    t.equal(startable(on.root), '1.0.0', 'nothing is touched before somebody applies it');

    t.match(await on.ask('updateApply'), { phase: 'applying', version: '1.1.0' });
    await on.restarted(1);
    const kept = await on.state('the end', ({ history }) => history.length > 0);
    t.match(kept, {
      phase: 'idle',
      ...{ current: '1.1.0', previous: '1.0.0', warnings: [] },
      history: [{ version: '1.1.0', from: '1.0.0', result: 'committed', reason: 'all services run' }],
    });
    t.equal(startable(on.root), '1.1.0');
    t.ok(
      on.lockedWhileJudged.length >= 2 && on.lockedWhileJudged.every(Boolean),
      'under the lock, before and after',
    );
    t.notOk(existsSync(join(on.root, 'trial')));
    t.notOk(existsSync(on.lock), 'which is given back');

    await on.ask('updateRollback');
    await on.restarted(2);
    const back = await on.state('the way back', ({ history }) => history.length > 1);
    t.match(back, {
      current: '1.0.0',
      avoided: ['1.1.0'],
      history: [{ version: '1.1.0', result: 'rolled_back' }],
    });
    t.equal(startable(on.root), '1.0.0');
  },
);

t.test('what must not be taken is named in state and history, what is unhealthy is left alone', async (t) => {
  const on = await updatedNode(t, { automatic: 'always' });
  const spoilt = join(on.folder, 'spoilt');
  cpSync(good, spoilt, { recursive: true });
  appendFileSync(join(spoilt, 'SHA256SUMS'), `${'0'.repeat(64)}  more\n`);
  on.offer(spoilt);
  await on.start();
  const unsigned = await on.state('the refusal', ({ history }) => history.length > 0);
  t.match(unsigned, {
    ...{ phase: 'idle', version: null, current: '1.0.0' },
    warnings: [{ code: 'signature_wrong' }],
    history: [
      { version: '1.1.0', from: '1.0.0', result: 'failed', reason: /^signature_wrong: .*changed after/ },
    ],
  });
  await t.rejects(on.ask('updateCheck'), { code: 'signature_wrong' });

  const bundle = readFileSync(join(good, BUNDLE));
  bundle[200] = (bundle[200] ?? 0) ^ 1;
  cpSync(good, spoilt, { recursive: true });
  writeFileSync(join(spoilt, BUNDLE), bundle);
  on.offer(spoilt);
  await on.ask('updateCheck');
  const changed = await on.state('the second refusal', ({ history }) => history.length > 1);
  t.match(changed, {
    warnings: [{ code: 'checksum_wrong' }],
    history: [{ reason: /^checksum_wrong: / }, {}],
  });
  t.equal(changed.history.length, 2, 'each is told once');
  t.equal(startable(on.root), '1.0.0');

  on.isHealthy = async () => ({ healthy: false, reason: 'the broker does not answer' });
  on.offer(good);
  await on.ask('updateCheck');
  await on.restarted(1);
  const undone = await on.state('the way back', ({ history }) => history.length > 2);
  t.match(undone, {
    current: '1.0.0',
    avoided: ['1.1.0'],
    history: [
      { version: '1.1.0', from: '1.0.0', result: 'rolled_back', reason: 'the broker does not answer' },
    ],
  });
  t.equal(startable(on.root), '1.0.0');
  const left = await on.state('that it is left alone', ({ phase }) => phase === 'waiting');
  t.match(left, { version: '1.1.0', owner: 'person', warnings: [] });
});

t.test('a version stays on trial while somebody records', async (t) => {
  const root = join(t.testdir({}), 'node');
  layNode(root, '1.0.0', 1);
  const locks = memoryUpdateLocks();
  const [lock, recorder] = [locks.of('updater'), locks.of('recorder')];
  const create = () =>
    releaseFeedChannel({
      ...{ root, lock, clock },
      disk: localInstallDisk(),
      feed: folderFeed(good, 'v1.1.0'),
      trusted: [pair.publicKey],
      architecture: 'amd64',
      units: {
        restart: async () => undefined,
        restartOwn: async () => undefined,
        notRunning: async () => [],
      },
      services: [],
      ownUnit: 'touchline-updater.service',
      isHealthy: async () => ({ healthy: true }),
    });
  const first = create();
  await first.check(signal);
  await first.download('1.1.0', signal);
  await t.rejects(first.apply('9.0.0', signal), { code: 'no_update', message: /9.0.0.*1.1.0/ });
  recorder.take('session Cup');
  await t.rejects(first.apply('1.1.0', signal), { code: 'update_locked', message: 'session Cup' });
  recorder.release();
  await first.apply('1.1.0', signal);
  t.match(
    await first.state(signal),
    { current: '1.0.0', applying: true },
    'its successor tells what came of it',
  );
  recorder.take('session Cup');
  const second = create();
  await t.rejects(second.state(signal), {
    code: 'update_locked',
    message: /1.1.0 stays on trial: session Cup/,
  });
  recorder.release();
  t.match(await second.state(signal), { current: '1.1.0', previous: '1.0.0', applying: false, offer: null });
  t.equal(lock.held, undefined);
});

t.test('the configuration names feed, keys and folder', async (t) => {
  const folder = t.testdir({ empty: '# none\n', wrong: 'ed25519:short\n' });
  const base = {
    version: 1,
    rig: 'test',
    camera_id: 'CAM_C',
    position: 'center',
    camera: { source: 'test-pattern' },
  };
  const config = (releases: object) =>
    NodeConfig.parse({
      ...base,
      updates: { channel: 'releases', releases: { feed: 'http://club.local/repos/a/b', ...releases } },
    });
  t.match(NodeConfig.safeParse({ ...base, updates: { channel: 'releases' } }).error?.issues, [
    { path: ['updates', 'releases', 'feed'] },
  ]);
  const parts = { clock, lock: memoryUpdateLocks().of('updater'), env: {} };
  const refused = { code: 'configuration_invalid' };
  t.throws(() => updateChannel(config({ keys: join(folder, 'none') }), parts), {
    ...refused,
    field: 'updates.releases.keys',
  });
  t.throws(() => updateChannel(config({ keys: join(folder, 'empty') }), parts), refused);
  t.throws(() => updateChannel(config({ keys: join(folder, 'wrong') }), parts), {
    ...refused,
    message: /line 1/,
  });
  writeFileSync(join(folder, 'keys'), `# of the club\n${newReleaseKey().publicLine}\n`);
  t.equal(updateChannel(config({ keys: join(folder, 'keys') }), parts)?.name, 'releases');
});
