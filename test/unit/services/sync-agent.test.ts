import t, { type Test } from 'tap';
import { type ManualClock, manualClock } from '#ports/clock/manual-clock.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { type SimulatedNetwork, simulatedNetwork } from '#ports/time-exchange/simulated-network.ts';
import { CAMERAS, type Camera, type SyncRig, syncRig } from '../../fixtures/sync-rig.ts';

const addresses = {
  CAM_L: { host: 'left', port: 7123 },
  CAM_C: { host: 'center', port: 7123 },
  CAM_R: { host: 'right', port: 7123 },
};

interface Simulation extends SyncRig {
  readonly clock: ManualClock;
  readonly network: SimulatedNetwork;
  /** Followers' rig time minus the master's, microseconds. */
  off(camera: Camera): number;
}

async function simulation(t: Test): Promise<Simulation> {
  const clock = manualClock();
  const network = simulatedNetwork();
  const disks = { CAM_L: memoryDisk(1e6), CAM_C: memoryDisk(1e6), CAM_R: memoryDisk(1e6) };
  const rig = await syncRig({
    clock,
    addresses,
    exchange: (camera, own) => network.node(addresses[camera], own),
    deps: (camera) => ({ state: disks[camera] }),
  });
  t.teardown(async () => {
    const stopped = rig.stop();
    await clock.advance(5000);
    await stopped;
  });
  await clock.advance(3000);
  return {
    ...rig,
    clock,
    network,
    off: (camera) => rig.nodes[camera].rigTimeUs() - rig.nodes.CAM_C.rigTimeUs(),
  };
}

t.test('every node knows the time of the master, within what it claims', async (t) => {
  const { nodes, off, clock } = await simulation(t);
  t.match(nodes.CAM_C.state(), { role: 'master', clock: { source: 'master', offset_ms: 0, confidence: 1 } });
  for (const camera of ['CAM_L', 'CAM_R'] as const) {
    t.match(nodes[camera].state(), {
      role: 'follower',
      master: 'CAM_C',
      clock: { source: 'exchange', confidence: 1 },
      rig_time: { boot_id: `kernel-of-${camera}` },
      exchange_dropped: 0,
      warnings: [],
    });
    t.ok(Math.abs(off(camera)) < 200, `${camera} is off by ${off(camera)} us`);
    t.ok(Math.abs(off(camera)) <= nodes[camera].boundMs() * 1000, 'and says by how much it may be');
    const wallOffMs = nodes[camera].state()?.clock.offset_ms ?? 0;
    t.ok(Math.abs(Math.abs(wallOffMs) - 100_000) < 1, 'its wall clock is seen to be 100 s off');
  }
  await clock.advance(5000);
  const rows = nodes.CAM_L.state()?.exchange ?? [];
  t.same(
    rows.map((row) => [row.camera_id, row.delay_ms]),
    [
      ['CAM_C', 0.2],
      ['CAM_R', 0.2],
    ],
    'the other follower is asked too',
  );
});

t.test('the master falls silent: time goes on, and the bound grows', async (t) => {
  const { nodes, clock } = await simulation(t);
  const stopping = nodes.CAM_C.stop();
  await clock.advance(3000);
  await stopping;
  const before = nodes.CAM_L.boundMs();
  const trueOffUs = nodes.CAM_L.rigTimeUs() - nodes.CAM_C.clock.wallUs();
  await clock.advance(60_000);
  t.match(nodes.CAM_L.state()?.clock, { source: 'exchange' });
  t.ok(nodes.CAM_L.boundMs() > before + 5, 'by what two clocks may run apart in a minute');
  t.ok(Math.abs(nodes.CAM_L.rigTimeUs() - nodes.CAM_C.clock.wallUs() - trueOffUs) < 50);
  await nodes.CAM_C.start();
  await clock.advance(3000);
  t.ok(nodes.CAM_L.boundMs() < 1, 'and shrinks when the master is back');
});

t.test('a step of the master while the rig records moves nothing', async (t) => {
  const { nodes, off, records, events, clock } = await simulation(t);
  records(true);
  await clock.advance(1000);
  const rigMinusTrueUs = nodes.CAM_C.rigTimeUs() - clock.wallUs();
  nodes.CAM_C.clock.stepWall(-2500);
  await clock.advance(3000);
  t.equal(nodes.CAM_C.rigTimeUs() - clock.wallUs(), rigMinusTrueUs, 'rig time goes on');
  t.ok(Math.abs(off('CAM_L')) < 200);
  t.match(nodes.CAM_C.state(), {
    clock: { offset_ms: -2500 },
    steps: [{ step_ms: -2500 }],
    warnings: [{ code: 'clock_stepped', message: /-2500\.0 ms/ }],
  });
  t.match(events, [{ node: 'CAM_C', name: 'clock/step' }]);
  t.same(nodes.CAM_L.state()?.warnings, [], 'the others notice nothing');

  records(false);
  await clock.advance(30_000);
  t.equal(nodes.CAM_C.state()?.clock.offset_ms, -2500, 'nor while manifests are written');
  await clock.advance(35_000);
  t.match(nodes.CAM_C.state(), { clock: { offset_ms: 0 }, warnings: [] });
  t.equal(nodes.CAM_C.rigTimeUs() - clock.wallUs() - rigMinusTrueUs, -2_500_000, 'then it is adopted');
  await clock.advance(3000);
  t.ok(Math.abs(off('CAM_L')) < 200, 'by everybody');
});

t.test('a step outside of recordings is followed at once', async (t) => {
  const { nodes, off, clock } = await simulation(t);
  nodes.CAM_C.clock.stepWall(700);
  await clock.advance(2500);
  t.match(nodes.CAM_C.state()?.clock, { offset_ms: 0 });
  t.ok(Math.abs(off('CAM_L')) < 200, `off by ${off('CAM_L')} us`);
  nodes.CAM_L.clock.stepWall(700);
  await clock.advance(1200);
  t.ok(Math.abs(off('CAM_L')) < 200, 'a step of a follower does not touch its rig time');
  t.match(nodes.CAM_L.state()?.steps, [{ step_ms: 700 }]);
});

t.test('who is promoted is the master for everybody, also after a restart', async (t) => {
  const { nodes, off, bus, records, clock } = await simulation(t);
  const promote = (camera: Camera): Promise<unknown> => {
    const reply = bus.request(camera, 'promote', {}, { timeoutMs: 2000 });
    return Promise.all([reply, clock.advance(3000)]).then(([result]) => result);
  };
  t.same(await promote('CAM_R'), { master: 'CAM_R' });
  const masters = (): (string | undefined)[] => CAMERAS.map((camera) => nodes[camera].state()?.master);
  t.same(masters(), ['CAM_R', 'CAM_R', 'CAM_R']);
  t.match(nodes.CAM_R.state(), { role: 'master', clock: { offset_ms: 0 } });
  t.ok(Math.abs(off('CAM_L') - off('CAM_R')) < 400, 'they follow its clock');
  t.ok(Math.abs(nodes.CAM_L.rigTimeUs() - nodes.CAM_R.clock.wallUs()) < 200);

  for (const camera of CAMERAS) {
    const stopping = nodes[camera].stop();
    await clock.advance(3000);
    await stopping;
  }
  await nodes.CAM_L.start();
  await clock.advance(1000);
  t.equal(nodes.CAM_L.state()?.master, 'CAM_R', 'kept by each of them');
  await nodes.CAM_C.start();
  await nodes.CAM_R.start();
  await clock.advance(3000);
  t.same(await promote('CAM_C'), { master: 'CAM_C' });
  t.same(masters(), ['CAM_C', 'CAM_C', 'CAM_C'], 'until another is promoted');

  records(true);
  await clock.advance(1000);
  await t.rejects(promote('CAM_L'), { code: 'already_recording' });
});

t.test('a master that comes back while the rig records goes on with the time that others kept', async (t) => {
  const { nodes, off, records, clock } = await simulation(t);
  records(true);
  await clock.advance(1000);
  const rigMinusTrueUs = nodes.CAM_L.rigTimeUs() - clock.wallUs();
  const restart = async (ahead: () => void): Promise<void> => {
    const stopping = nodes.CAM_C.stop();
    await clock.advance(3000);
    await stopping;
    ahead();
    await nodes.CAM_C.start();
  };
  // A Pi without a battery wakes up years ago.
  await restart(() => nodes.CAM_C.clock.stepWall(-3e11));
  t.equal(nodes.CAM_C.state()?.rig_time, null, 'it claims nothing before it has asked');
  await clock.advance(3000);
  t.ok(Math.abs(nodes.CAM_C.rigTimeUs() - clock.wallUs() - rigMinusTrueUs) < 2000, 'rig time did not jump');
  t.ok(Math.abs(off('CAM_L')) < 2000);
  t.match(nodes.CAM_L.state(), { clock: { source: 'exchange' }, warnings: [] });

  records(false);
  await clock.advance(70_000);
  await restart(() => undefined);
  await clock.advance(3000);
  t.match(nodes.CAM_C.state()?.clock, { offset_ms: 0 }, 'when nothing records, its own clock counts');
});

t.test('a master alone has its time after a moment', async (t) => {
  const { nodes, clock } = await simulation(t);
  for (const camera of CAMERAS) {
    const stopping = nodes[camera].stop();
    await clock.advance(3000);
    await stopping;
  }
  await nodes.CAM_C.start();
  await clock.advance(1000);
  t.equal(nodes.CAM_C.state()?.rig_time, null);
  await clock.advance(700);
  t.match(nodes.CAM_C.state()?.clock, { source: 'master' });
});
