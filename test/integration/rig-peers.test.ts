import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { CameraId } from '#contracts/ids.ts';
import type { FoundNode } from '#contracts/network.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { BrokerState, SyncState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { udpExchange } from '#ports/time-exchange/udp-exchange.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { createBroker } from '#services/broker/service.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';
import { freePorts, freeUdpPorts } from '../../cli/demo/free-ports.ts';
import { until } from '../fixtures/bridges.ts';

// Reconnecting takes seconds on a busy machine.
t.setTimeout(120_000);

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const { signal } = new AbortController();
const host = '127.0.0.1';

/** Broker and sync-agent of a node that lists no peers, and a network-manager whose findings the test tells. */
async function startNode(folder: string, camera: CameraId, port: number, exchangePort: number) {
  const config = NodeConfig.parse({
    ...{ version: 1, rig: 'found', camera_id: camera, position: 'center', cameras: ['CAM_L', 'CAM_C'] },
    camera: { source: 'test-pattern' },
    state_dir: join(folder, camera),
    runtime_dir: join(folder, camera, 'run'),
    broker: { host, port },
    sync: { exchange_port: exchangePort },
    network: { discovery: 'mdns' },
  });
  const broker = mqttBroker({ host, port });
  const bus = nodeBus('network-manager', { config, broker, clock, log });
  const syncBus = nodeBus('sync-agent', { config, broker, clock, log });
  const exchange = udpExchange({ clock, listen: { host, port: exchangePort } });
  let links: BrokerState['links'] = [];
  let sync: SyncState | undefined;
  const watching: Unit = {
    async start() {
      bus.watchState('broker', (node, seen) => {
        if (node === camera && seen.online) links = seen.state.links;
      });
      bus.watchState('sync-agent', (node, seen) => {
        if (node === camera && seen.online) sync = seen.state;
      });
    },
    stop: () => Promise.resolve(),
  };
  const unit = group(
    createBroker({ config, clock, log }),
    bus,
    watching,
    syncBus,
    createSyncAgent({ config, clock, bus: syncBus, log, exchange }),
  );
  await unit.start(signal);
  const where = (at: Partial<FoundNode> = {}): FoundNode => ({
    ...{ camera_id: camera, position: null, version: '1', hardware_id: camera, host },
    ...{ mqtt_port: port, exchange_port: exchangePort, api_port: 8080, seen_at: toWireTime(clock.wallUs()) },
    ...at,
  });
  return {
    unit,
    where,
    links: () => links,
    sync: () => sync,
    finds: (...peers: FoundNode[]) =>
      bus.setState('network-manager', {
        ...{ mode: 'home', since: toWireTime(clock.wallUs()), reason: 'told by the test', ssid: 'Club' },
        ...{ addresses: [host], signal_percent: null, stations: null, peers, conflicts: [], warnings: [] },
        home_in_sight: null,
      }),
  };
}

t.test(
  'nodes that list no peers are linked and keep time where they are found, and follow them',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'touchline-peers-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const [leftPort = 0, centerPort = 0, movedPort = 0] = await freePorts(3);
    const [leftUdp = 0, centerUdp = 0] = await freeUdpPorts(2);
    const left = await startNode(folder, 'CAM_L', leftPort, leftUdp);
    t.teardown(() => left.unit.stop());
    const center = await startNode(folder, 'CAM_C', centerPort, centerUdp);
    const linked = (node: typeof left): boolean => node.links().some((link) => link.connected);
    await until(() => left.links().length === 1, 'the state of the broker');
    t.match(left.links(), [{ name: 'CAM_C', connected: false }], 'it knows whom it looks for');

    left.finds(center.where({ mqtt_port: movedPort }));
    center.finds(left.where());
    await until(() => linked(center), 'the link of the center');
    t.notOk(linked(left), 'an address where nobody is');
    left.finds(center.where());
    await until(() => linked(left), 'the link of the left');
    await until(
      () => left.sync()?.exchange.some((row) => row.last_answer !== null) === true,
      'an answer about the time',
    );
    t.match(left.sync(), { master: 'CAM_C', exchange: [{ camera_id: 'CAM_C' }] });

    left.finds();
    await center.unit.stop();
    const moved = await startNode(folder, 'CAM_C', movedPort, centerUdp);
    t.teardown(() => moved.unit.stop());
    await until(() => !linked(left), 'the lost link');
    left.finds(moved.where());
    await until(() => linked(left), 'the link to where it is now');
    t.pass('a node that moved is followed');
  },
);
