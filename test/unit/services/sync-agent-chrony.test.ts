import t, { type Test } from 'tap';
import { TouchlineError } from '#contracts/errors.ts';
import { toWireTime } from '#contracts/time.ts';
import { growthMs as growth } from '#domain/sync/rig-time-line.ts';
import { type ManualClock, manualClock } from '#ports/clock/manual-clock.ts';
import { type MemoryDisk, memoryDisk } from '#ports/disk/memory-disk.ts';
import type { HostClock } from '#ports/host-clock/host-clock.ts';
import { type SimulatedDaemon, simulatedDaemon } from '#ports/time-daemon/simulated-daemon.ts';
import type { TimeDaemon } from '#ports/time-daemon/time-daemon.ts';
import { type SimulatedNetwork, simulatedNetwork } from '#ports/time-exchange/simulated-network.ts';
import { CAMERAS, type Camera, type SyncRig, syncRig } from '../../fixtures/sync-rig.ts';

const addresses = {
  CAM_L: { host: '10.0.0.1', port: 7123 },
  CAM_C: { host: '10.0.0.2', port: 7123 },
  CAM_R: { host: '10.0.0.3', port: 7123 },
};

interface Simulation extends SyncRig {
  readonly clock: ManualClock;
  readonly network: SimulatedNetwork;
  readonly daemons: Record<Camera, SimulatedDaemon>;
  readonly disks: Record<Camera, MemoryDisk>;
}

/** chronyd of a follower that follows the master, `correctionSec` behind it. */
const follows = (correctionSec: number, host = '10.0.0.2'): string =>
  `0A000002,${host},9,1710511200.0,${correctionSec.toFixed(9)},0.0,0.0,-1.5,0.0,0.1,0.000200000,0.000300000,1.0,Normal`;

/** The same daemon, which does not answer to its start before that. */
const slow = (daemon: SimulatedDaemon, until: Promise<void> | undefined): TimeDaemon =>
  until === undefined
    ? daemon
    : {
        ...daemon,
        async start(config) {
          const running = await daemon.start(config);
          await until;
          return running;
        },
      };

async function simulation(
  t: Test,
  options: { exchange?: boolean; hostClock?: HostClock; unit?: string; slowStart?: Promise<void> } = {},
): Promise<Simulation> {
  const clock = manualClock();
  const network = simulatedNetwork();
  const each = <T>(make: () => T): Record<Camera, T> => ({ CAM_L: make(), CAM_C: make(), CAM_R: make() });
  const daemons = each(simulatedDaemon);
  const disks = each(() => memoryDisk(1e6));
  const rig = await syncRig({
    clock,
    addresses,
    exchange: (camera, own) => network.node(addresses[camera], own),
    settings: () => ({
      sync: { clock: 'chronyd', chronyd: options.unit ? { host_unit: options.unit } : {} },
    }),
    deps: (camera) => ({
      state: disks[camera],
      daemon: slow(daemons[camera], options.slowStart),
      hostClock: options.hostClock,
      ...(options.exchange === false ? { exchange: undefined } : {}),
    }),
  });
  t.teardown(async () => {
    const stopped = rig.stop();
    await clock.advance(5000);
    await stopped;
  });
  await clock.advance(3000);
  return { ...rig, clock, network, daemons, disks };
}

t.test('chronyd and the exchange are compared; apart by more than 2 ms is a warning', async (t) => {
  const { nodes, daemons, clock } = await simulation(t);
  t.match(daemons.CAM_C.configs, [/local stratum 8/]);
  t.match(daemons.CAM_L.configs, [/local stratum 10 orphan.*server 10\.0\.0\.2.*server 10\.0\.0\.3/s]);
  t.match(nodes.CAM_C.state(), {
    clock: { source: 'master', stratum: 8 },
    chrony: { state: 'running', reference: '7F7F0101', stratum: 8, reason: null },
    disagreement_ms: null,
  });
  // The wall clock of CAM_L is 100 s behind.
  daemons.CAM_L.says(follows(100.0015));
  await clock.advance(2000);
  t.match(nodes.CAM_L.state(), {
    clock: { source: 'exchange', stratum: 9 },
    chrony: { reference: '10.0.0.2', stratum: 9, offset_ms: -100001.5, frequency_ppm: -1.5 },
    warnings: [],
  });
  t.ok(Math.abs((nodes.CAM_L.state()?.disagreement_ms ?? 0) - 1.5) < 0.2);
  daemons.CAM_L.says(follows(100.003));
  await clock.advance(2000);
  t.match(nodes.CAM_L.state()?.warnings, [{ code: 'clock_disagreement', message: /by 3\.\d ms/ }]);
});

t.test('without an exchange chronyd is the source, with the bound it gives', async (t) => {
  const { nodes, daemons, clock } = await simulation(t, { exchange: false });
  t.match(nodes.CAM_L.state(), { clock: { source: 'none', bound_ms: null }, rig_time: null });
  daemons.CAM_L.says(follows(100));
  await clock.advance(2000);
  const state = nodes.CAM_L.state();
  t.match(state?.clock, { source: 'chrony', ci95_ms: null });
  // The correction still to be made, dispersion and half the delay.
  t.ok(Math.abs((state?.chrony?.bound_ms ?? 0) - 100_000.4) < 0.001);
  t.ok(Math.abs(nodes.CAM_L.rigTimeUs() - nodes.CAM_C.clock.wallUs()) < 100, 'and it is right');

  daemons.CAM_L.says(follows(100, 'ntp.example.org'));
  await clock.advance(2000);
  t.equal(nodes.CAM_C.state()?.chrony?.bound_ms, null, 'a master that runs free is exact to nothing');
  t.match(nodes.CAM_L.state()?.clock, { source: 'none' }, 'so nothing is known of it by way of the outside');
  daemons.CAM_C.says(follows(0, 'ntp.example.org'));
  await clock.advance(2000);
  t.match(
    nodes.CAM_L.state()?.clock,
    { source: 'chrony' },
    'both follow something outside: the error of the master counts too',
  );
  const stopping = nodes.CAM_C.stop();
  await clock.advance(3000);
  await stopping;
  const boundMs = nodes.CAM_L.boundMs();
  await clock.advance(60_000);
  const growthMs = nodes.CAM_L.boundMs() - boundMs;
  t.ok(Math.abs(growthMs - growth('chrony', 60e6)) < 0.1, 'and more and more, since it is gone');
});

t.test('a source that contradicts the one before is not taken while the rig records', async (t) => {
  const { nodes, daemons, clock, records } = await simulation(t);
  const before = nodes.CAM_L.rigTimeUs() - clock.wallUs();
  // Sure of itself, and 100 s off.
  daemons.CAM_L.says(follows(0));
  records(true);
  await clock.advance(2000);
  const stopping = nodes.CAM_C.stop();
  await clock.advance(15_000);
  await stopping;
  t.match(nodes.CAM_L.state()?.clock, { source: 'exchange' });
  t.ok(Math.abs(nodes.CAM_L.rigTimeUs() - clock.wallUs() - before) < 5000, 'time goes on');
  records(false);
  await clock.advance(2000);
  t.match(nodes.CAM_L.state()?.clock, { source: 'chrony' });
});

t.test('chronyd dies: time goes on, it is started again, its reason is told', async (t) => {
  const { nodes, daemons, clock, records } = await simulation(t);
  daemons.CAM_L.says(follows(100));
  await clock.advance(2000);
  records(true);
  daemons.CAM_L.die('ended by SIGKILL');
  daemons.CAM_L.refuse(new TouchlineError('clock_not_permitted', 'CAP_SYS_TIME not present'));
  await clock.advance(1000);
  const before = nodes.CAM_L.rigTimeUs() - clock.wallUs();
  t.match(nodes.CAM_L.state(), {
    clock: { source: 'exchange' },
    chrony: { state: 'failed', reason: 'CAP_SYS_TIME not present', offset_ms: null },
    warnings: [{ code: 'clock_not_permitted' }],
  });
  daemons.CAM_L.refuse(undefined);
  await clock.advance(10_000);
  t.ok(Math.abs(nodes.CAM_L.rigTimeUs() - clock.wallUs() - before) < 100, 'time went on');
  t.match(nodes.CAM_L.state(), { chrony: { state: 'running', reason: null }, warnings: [] });
  t.equal(daemons.CAM_L.configs.length, 2);
  t.match(daemons.CAM_L.configs[0], /makestep/);
  t.notMatch(daemons.CAM_L.configs[1], /makestep/, 'one that starts during a recording may not step');

  daemons.CAM_L.says('506 Cannot talk to daemon');
  await clock.advance(2000);
  t.match(nodes.CAM_L.state(), {
    clock: { source: 'exchange' },
    chrony: { state: 'failed', reason: /506 Cannot talk to daemon/ },
    warnings: [{ code: 'time_daemon_failed' }],
  });
  daemons.CAM_L.says(follows(100));
  await clock.advance(20_000);
  t.match(nodes.CAM_L.state()?.chrony, { state: 'running', reference: '10.0.0.2' });
  t.equal(daemons.CAM_L.configs.length, 2, 'what it says is asked again, without a restart');
});

t.test('stopped while chronyd starts, nothing is left behind', { timeout: 20_000 }, async (t) => {
  const started = Promise.withResolvers<void>();
  const { nodes, daemons, clock } = await simulation(t, { slowStart: started.promise });
  t.match(nodes.CAM_L.state()?.chrony, { state: 'starting' });
  const stopping = CAMERAS.map((camera) => nodes[camera].stop());
  await clock.advance(1000);
  started.resolve();
  await clock.advance(3000);
  await Promise.all(stopping);
  for (const camera of CAMERAS) t.notOk(daemons[camera].running, camera);
});

t.test('a promotion gives every chronyd another configuration', async (t) => {
  const { bus, daemons, clock } = await simulation(t);
  const asked = bus.request('CAM_R', 'promote', {}, { timeoutMs: 2000 });
  await clock.advance(6000);
  await asked;
  const last = (camera: Camera): string => daemons[camera].configs.at(-1) ?? '';
  t.match(last('CAM_R'), /local stratum 8/);
  for (const camera of ['CAM_L', 'CAM_C'] as const) t.match(last(camera), /local stratum 10 orphan/, camera);
});

t.test('a phone sets a clock that was never right, once, and never while recording', async (t) => {
  const { nodes, bus, daemons, clock, records } = await simulation(t);
  const set = async (camera: Camera, aheadSec: number): Promise<{ step_ms: number }> => {
    const time = toWireTime(nodes.CAM_C.clock.wallUs() + aheadSec * 1e6);
    const asked = bus.request(camera, 'setTime', { time }, { timeoutMs: 2000 });
    const settled = asked.catch((error: unknown) => error);
    await clock.advance(1000);
    await settled;
    return asked;
  };
  await t.rejects(set('CAM_L', 3600), { code: 'conflict', message: /CAM_C/ });
  t.same(await set('CAM_C', 1), { step_ms: 0 }, 'a phone is no better than two seconds');
  records(true);
  await clock.advance(100);
  await t.rejects(set('CAM_C', 3600), { code: 'already_recording' });
  records(false);
  await clock.advance(100);
  t.match(await set('CAM_C', 3600), { step_ms: 3_600_000 });
  t.equal(daemons.CAM_C.set.length, 1);
  await t.rejects(set('CAM_C', 7200), { code: 'clock_already_set' });
  const stopping = nodes.CAM_C.stop();
  await clock.advance(3000);
  await stopping;
  await nodes.CAM_C.start();
  await clock.advance(1000);
  await t.rejects(set('CAM_C', 7200), { code: 'clock_already_set' }, 'kept over a restart of the program');
});

t.test('a clock that followed something has been right', async (t) => {
  const { nodes, bus, daemons, clock } = await simulation(t);
  daemons.CAM_C.says(follows(0, 'ntp.example.org'));
  await clock.advance(2000);
  const time = toWireTime(nodes.CAM_C.clock.wallUs() + 3600e6);
  const asked = bus.request('CAM_C', 'setTime', { time }, { timeoutMs: 2000 });
  const refused = t.rejects(asked, { code: 'clock_already_set' });
  await clock.advance(1000);
  await refused;
});

t.test("the host's own service lets go of the clock and gets it back, also after a crash", async (t) => {
  const units = new Map<string, boolean>();
  let refusal: TouchlineError | undefined;
  const hostClock: HostClock = {
    async stop(unit) {
      if (refusal) throw refusal;
      units.set(unit, false);
    },
    async start(unit) {
      units.set(unit, true);
    },
  };
  refusal = new TouchlineError('host_clock_refused', 'no bus');
  const { nodes, daemons, disks, clock } = await simulation(t, { hostClock, unit: 'chronyd.service' });
  t.match(nodes.CAM_C.state(), {
    chrony: { state: 'failed', reason: 'no bus' },
    warnings: [{ code: 'host_clock_refused' }],
  });
  t.equal(daemons.CAM_C.configs.length, 0, 'two would fight over one clock');
  refusal = undefined;
  await clock.advance(10_000);
  t.match(nodes.CAM_C.state(), { chrony: { state: 'running' }, warnings: [] });
  t.equal(units.get('chronyd.service'), false);
  const left = [...(await disks.CAM_C.list('sync-agent'))].map(({ path }) => path);
  t.ok(left.includes('sync-agent/host-clock.json'), 'what a crash would leave');
  for (const camera of CAMERAS) {
    const stopping = nodes[camera].stop();
    await clock.advance(3000);
    await stopping;
  }
  t.equal(units.get('chronyd.service'), true);
  t.notOk(
    (await disks.CAM_C.list('sync-agent')).some(({ path }) => path.endsWith('host-clock.json')),
    'nothing is left to be given back',
  );
});
