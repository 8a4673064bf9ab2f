import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { startService } from '#runtime/service-main.ts';
import { createBroker } from '#services/broker/service.ts';
import { networkParts } from '#services/network-manager/network-parts.ts';
import { createNetworkManager } from '#services/network-manager/service.ts';
import type { Said } from '../wifi/said.ts';

/**
 * Broker and network-manager of a node in a guest, and somebody who tells what the latter says: lines `LAB-SAY {json}`. With `LEAVE` it ends in an orderly way
 * once it has seen another machine that says it is the same node.
 */

const { CONFIG = '', LEAVE } = process.env;
const clock = systemClock();

function teller(config: NodeConfig, parts: { log: Parameters<typeof nodeBus>[1]['log'] }): Unit {
  const log = parts.log.child({ service: 'lab' });
  const bus = nodeBus('updater', { config, broker: mqttBroker(config.broker), clock, log });
  let leaving = false;
  return group(bus, {
    async start() {
      bus.watchState('network-manager', (node, seen) => {
        if (node !== config.camera_id || !seen.online) return;
        const { mode, reason, ssid, addresses, peers, conflicts, warnings } = seen.state;
        const said: Said = {
          network: {
            ...{ mode, reason, ssid, addresses },
            peers: peers.map(({ camera_id, host }) => `${camera_id} ${host}`),
            conflicts: conflicts.map(({ hardware_id }) => hardware_id),
            warnings: warnings.map(({ code, message }) => `${code}: ${message}`),
          },
        };
        process.stdout.write(`LAB-SAY ${JSON.stringify(said)}\n`);
        if (LEAVE && conflicts.length > 0 && !leaving) {
          leaving = true;
          setTimeout(() => {
            process.stdout.write('LAB-LEAVES\n');
            process.kill(process.pid, 'SIGTERM');
          }, 3000);
        }
      });
    },
    stop: () => Promise.resolve(),
  });
}

await startService(
  {
    name: 'node',
    env: {},
    schema: NodeConfig,
    create: ({ config, log, version }) => {
      const busLog = log.child({ service: 'network-manager' });
      const bus = nodeBus('network-manager', {
        config,
        broker: mqttBroker(config.broker),
        clock,
        log: busLog,
      });
      const service = createNetworkManager({
        ...{ config, clock, bus, log: busLog, version },
        ...networkParts(config, clock),
      });
      return group(createBroker({ config, clock, log }), teller(config, { log }), group(bus, service));
    },
  },
  { config: CONFIG },
);
