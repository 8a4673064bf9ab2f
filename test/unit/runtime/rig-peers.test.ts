import t from 'tap';
import type { FoundNode } from '#contracts/network.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { rigPeers } from '#runtime/rig-peers.ts';

const at = '2024-03-15T14:00:00.000000Z';
const seen = (camera_id: string, host: string): FoundNode => ({
  ...{ camera_id, position: null, version: '1', hardware_id: camera_id, host, seen_at: at },
  ...{ mqtt_port: 1883, exchange_port: 7123, api_port: 8080 },
});

t.test(
  'an address belongs to one node, the last that was found there, and strangers have none',
  async (t) => {
    const config = NodeConfig.parse({
      ...{ version: 1, rig: 'r', camera_id: 'CAM_R', position: 'right', camera: { source: 'test-pattern' } },
      network: { discovery: 'mdns' },
    });
    const clock = systemClock();
    const bus = createBus({
      ...{ rig: 'r', node: 'CAM_R', service: 'network-manager', broker: memoryBroker(), clock },
      log: createLogger({ name: 'test', level: 'silent' }),
    });
    const peers = rigPeers({ config, bus });
    const { signal } = new AbortController();
    await bus.start(signal);
    await peers.start(signal);
    t.teardown(async () => {
      await peers.stop();
      await bus.stop();
    });
    const finds = async (...found: FoundNode[]): Promise<void> => {
      const changed = new Promise<void>((resolve) => peers.onChange(resolve));
      bus.setState('network-manager', {
        ...{ mode: 'member', since: at, reason: '', ssid: null, addresses: [], signal_percent: null },
        ...{ stations: null, home_in_sight: null, peers: found, conflicts: [], warnings: [] },
      });
      await changed;
    };
    t.same(peers.cameras, ['CAM_L', 'CAM_C']);
    await finds(seen('CAM_C', '10.42.7.1'), seen('CAM_X', '10.42.7.9'), seen('CAM_R', '10.42.7.8'));
    t.match(peers.addressOf('CAM_C'), { host: '10.42.7.1' });
    t.equal(peers.addressOf('CAM_X'), undefined, 'the rig has no such camera');
    t.equal(peers.addressOf('CAM_R'), undefined, 'a namesake is no peer');
    await finds(seen('CAM_L', '10.42.7.1'));
    t.match(peers.addressOf('CAM_L'), { host: '10.42.7.1' });
    t.equal(peers.addressOf('CAM_C'), undefined, 'whose address it was is not linked to another node');
  },
);
