import t, { type Test } from 'tap';
import type { NetworkState } from '#contracts/network.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { simulatedAir } from '#ports/discovery/simulated-discovery.ts';
import type { Network } from '#ports/network/network.ts';
import { simulatedRadios } from '#ports/network/simulated-radio.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { createConnection } from '#services/network-manager/connection.ts';
import { createRecordingWatch } from '#services/network-manager/recording.ts';
import { createNetworkManager } from '#services/network-manager/service.ts';
import { recorderBody } from '../../fixtures/recorder-state.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;
const KEY = 'half-time-tea';

async function rig(t: Test) {
  const clock = manualClock();
  // Two machines of one name do not share a broker.
  const brokers = { shared: memoryBroker(), twin: memoryBroker() };
  const broker = brokers.shared;
  const radios = simulatedRadios(clock);
  const air = simulatedAir(clock);
  const events: string[] = [];
  const states = new Map<string, NetworkState>();
  const start = async (camera: 'CAM_L' | 'CAM_C' | 'CAM_R', machine: string, network: object = {}) => {
    const config = NodeConfig.parse({
      version: 1,
      rig: 'test',
      camera_id: camera,
      position: 'center',
      camera: { source: 'test-pattern' },
      network: {
        manager: 'networkmanager',
        discovery: 'mdns',
        home: [{ ssid: 'CLUB', key: 'goalkeeper-1' }],
        access_point: { key: KEY },
        ...network,
      },
    });
    const bus = createBus({
      rig: 'test',
      node: camera,
      service: 'network-manager',
      ...{ broker: machine === 'twin' ? brokers.twin : broker, clock, log },
    });
    bus.watchState('network-manager', (node, seen) => {
      if (node === camera && seen.online) states.set(machine, seen.state);
    });
    const unit = group(
      bus,
      createNetworkManager({
        ...{ config, clock, bus, log, version: '1', hardwareId: `board of ${machine}` },
        network: config.network.manager === 'none' ? undefined : radios.radio(machine),
        discovery: air.node(machine),
      }),
    );
    await unit.start(signal);
    t.teardown(async () => {
      const stopped = unit.stop();
      await clock.advance(60_000);
      await stopped;
    });
  };
  const bus = createBus({ rig: 'test', node: 'CAM_C', service: 'api', broker, clock, log });
  await bus.start(signal);
  bus.watchEvents((node, name, event) => {
    if (name === 'network/mode' && 'to' in event) events.push(`${node} ${event.to}`);
  });
  t.teardown(() => bus.stop());
  const records = (state: 'recording' | 'stopped', revision: number): void => {
    const at = new Date(clock.wallUs() / 1000).toISOString().replace('Z', '000Z');
    bus.setSession({
      ...{ v: 1, session_uid: '01HZXK5M8N0PQRSTVWXYZ01234', session_id: 'match', revision, state },
      ...{
        conductor: 'CAM_C',
        start_at: at,
        stop_at: null,
        max_duration_sec: 7200,
        cameras: [],
        updated_at: at,
      },
    });
  };
  const recorder = createBus({ rig: 'test', node: 'CAM_C', service: 'recorder', broker, clock, log });
  await recorder.start(signal);
  t.teardown(() => recorder.stop());
  return {
    clock,
    radios,
    air,
    broker,
    recorder,
    events,
    start,
    records,
    of: (machine: string) => states.get(machine),
  };
}

t.test('three nodes meet, stay while they record, and go home', async (t) => {
  const { clock, radios, events, start, records, of } = await rig(t);
  await start('CAM_C', 'center');
  await start('CAM_L', 'left');
  await start('CAM_R', 'right');
  await clock.advance(60_000);
  t.match(of('center'), { mode: 'access-point', ssid: 'SOCCER_CAM_C', stations: 2, warnings: [] });
  t.match(of('left'), { mode: 'member', ssid: 'SOCCER_CAM_C', reason: /no home network/ });
  t.same(
    of('right')
      ?.peers.map(({ camera_id, host }) => `${camera_id} ${host}`)
      .toSorted(),
    ['CAM_C center', 'CAM_L left'],
  );
  t.ok(events.includes('CAM_C access-point') && events.includes('CAM_L member'), 'which is told');
  records('recording', 1);
  radios.appear('CLUB', { key: 'goalkeeper-1' });
  const before = [...radios.changes];
  await clock.advance(600_000);
  t.same([...radios.changes], before, 'home returns while they record: nothing is touched');
  records('stopped', 2);
  await clock.advance(120_000);
  for (const machine of ['center', 'left', 'right'])
    t.match(of(machine), { mode: 'home', ssid: 'CLUB' }, `${machine} went home afterwards`);
});

t.test('two machines that say they are the same camera are named, on both', async (t) => {
  const { clock, start, of } = await rig(t);
  await start('CAM_L', 'left');
  await start('CAM_L', 'twin');
  await start('CAM_R', 'right');
  await clock.advance(2000);
  t.match(of('left')?.conflicts, [{ hardware_id: 'board of twin', host: 'twin' }]);
  t.match(of('twin')?.conflicts, [{ hardware_id: 'board of left', host: 'left' }]);
  for (const machine of ['left', 'twin', 'right'])
    t.match(
      of(machine)?.warnings,
      [{ code: 'duplicate_node', message: /CAM_L: .*board of/ }],
      `${machine} warns`,
    );
  t.equal(of('right')?.peers.length, 1, 'and takes one of them');
});

t.test('without NetworkManager, or with its port taken, it goes on and tries again', async (t) => {
  const { clock, radios, air, start, of } = await rig(t);
  radios.manager('center', false);
  air.occupy('center', true);
  await start('CAM_C', 'center');
  await clock.advance(1000);
  t.same(
    of('center')?.warnings.map(({ code }) => code),
    ['network_failed', 'discovery_failed'],
  );
  radios.manager('center', true);
  air.occupy('center', false);
  await clock.advance(50_000);
  t.match(of('center'), { mode: 'access-point', warnings: [] });
  radios.manager('center', false);
  await clock.advance(1000);
  t.match(of('center'), { mode: 'offline', warnings: [{ code: 'network_failed' }] });
});

t.test('with manager none it finds the others all the same', async (t) => {
  const { clock, start, of } = await rig(t);
  await start('CAM_C', 'center', { manager: 'none' });
  await start('CAM_L', 'left', { manager: 'none' });
  await clock.advance(2000);
  t.match(of('center'), { mode: 'unmanaged', peers: [{ camera_id: 'CAM_L' }], warnings: [] });
});

const ACCESS_POINT = { ssid: 'SOCCER_CAM_C', key: KEY, channel: 6, address: '10.42.7.1/24' };

t.test('who cannot know whether the recorder records takes it that it does, for so long', async (t) => {
  const { clock, radios, broker, recorder, start, of } = await rig(t);
  const opening = radios.radio('center').open(ACCESS_POINT);
  await clock.advance(2000);
  await opening;
  radios.appear('CLUB', { key: 'goalkeeper-1' });
  broker.down();
  // As after a restart of the service while the broker is dead.
  await start('CAM_C', 'center');
  await clock.advance(600_000);
  t.same(radios.now('center'), { kind: 'open', ssid: 'SOCCER_CAM_C' }, 'no word: nothing is touched');
  recorder.setState('recorder', recorderBody({ state: 'recording' }));
  broker.up();
  await clock.advance(600_000);
  t.same(radios.now('center'), { kind: 'open', ssid: 'SOCCER_CAM_C' }, 'it records');
  recorder.setState('recorder', recorderBody());
  await clock.advance(1000);
  broker.down();
  await clock.advance(300_000);
  t.same(radios.now('center'), { kind: 'open', ssid: 'SOCCER_CAM_C' }, 'idle a while ago, and no word since');
  broker.up();
  await clock.advance(120_000);
  t.match(of('center'), { mode: 'home' }, 'idle: it goes home');
});

t.test('without any word, no session is longer than the longest', async (t) => {
  const clock = manualClock();
  const config = NodeConfig.parse({
    ...{ version: 1, rig: 'test', camera_id: 'CAM_C', position: 'center' },
    camera: { source: 'test-pattern' },
  });
  const broker = memoryBroker();
  broker.down();
  const bus = createBus({ rig: 'test', node: 'CAM_C', service: 'network-manager', broker, clock, log });
  const recording = createRecordingWatch({ config, clock, bus, onChange: () => undefined });
  await bus.start(signal);
  await recording.start(signal);
  await clock.advance(179 * 60_000);
  t.equal(recording.on, true);
  await clock.advance(2 * 60_000);
  t.equal(recording.on, false);
  broker.up();
  await clock.advance(29_000);
  t.equal(recording.on, true, 'with a broker the recorder has a moment to speak');
  await clock.advance(2000);
  t.equal(recording.on, false, 'one that is not there records nothing');
  await recording.stop();
  await bus.stop();
});

t.test('a recording that begins on the way home brings the network back that it began on', async (t) => {
  const { clock, radios, recorder, start, records, of } = await rig(t);
  recorder.setState('recorder', recorderBody());
  await start('CAM_C', 'center');
  await clock.advance(60_000);
  t.equal(radios.now('center').kind, 'open');
  radios.appear('CLUB', { key: 'goalkeeper-1' });
  for (let ms = 0; of('center')?.mode !== 'joining'; ms += 100) {
    if (ms > 120_000) throw new Error('it never goes');
    await clock.advance(100);
  }
  records('recording', 1);
  await clock.advance(20_000);
  t.same(radios.now('center'), { kind: 'open', ssid: 'SOCCER_CAM_C' });
  t.match(of('center'), { mode: 'access-point' });
  t.notMatch(of('center')?.reason, /CLUB/, 'nobody refused');
  records('stopped', 2);
  await clock.advance(70_000);
  t.match(of('center'), { mode: 'home' });
});

/** A connection on an access point whose network does what it is told, and what happens to it. */
function byHand() {
  const clock = manualClock();
  const config = NodeConfig.parse({
    ...{ version: 1, rig: 'test', camera_id: 'CAM_C', position: 'center' },
    camera: { source: 'test-pattern' },
    network: { manager: 'networkmanager', home: [{ ssid: 'CLUB' }], access_point: { key: KEY } },
  });
  const happened: string[] = [];
  const watching = Promise.withResolvers<void>();
  const network: Network = {
    async watch() {
      await watching.promise;
      happened.push('watched');
      return () => void happened.push('unwatched');
    },
    link: async () => ({
      ...{ wired: false, radio: { kind: 'open', ssid: 'SOCCER_CAM_C' }, addresses: [] },
      ...{ signal_percent: null, stations: null },
    }),
    look: async () => [{ ssid: 'CLUB', signal_percent: 70 }],
    async join(_network, signal) {
      happened.push('joins');
      await clock
        .sleepUntil(clock.monoUs() + 60e6, 'a network that hangs', signal)
        .catch((error: unknown) => {
          happened.push('given up');
          throw error;
        });
    },
    open: () => Promise.resolve(),
    leave: () => Promise.resolve(),
  };
  const connection = createConnection({ config, clock, log, network, onChange: () => undefined });
  return { clock, connection, happened, watching };
}

t.test('a stop ends the work under way before it lets go of the network', async (t) => {
  const { clock, connection, happened, watching } = byHand();
  watching.resolve();
  await connection.start(signal);
  await clock.advance(20_000);
  t.same(happened, ['watched', 'joins']);
  await connection.stop();
  t.same(happened, ['watched', 'joins', 'given up', 'unwatched']);
});

t.test('a watch that opens after the stop is closed', async (t) => {
  const { clock, connection, happened, watching } = byHand();
  const starting = connection.start(signal);
  await clock.advance(10);
  await connection.stop();
  watching.resolve();
  await starting;
  t.same(happened, ['watched', 'unwatched']);
});
