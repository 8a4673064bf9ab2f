import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import type { BrokerPort } from '#ports/broker/broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { rigPeers } from '#runtime/rig-peers.ts';
import { createLink, type Link } from './link.ts';

const STATE_INTERVAL_MS = 1000;

export interface BrokerOptions {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The node's MQTT broker, its links to the other nodes and to central, and the node's availability.
 * `start` throws `conflict` when the port is taken, `disk_failed` when the state folder cannot be used, and does not
 * wait for peers.
 */
export function createBroker({ config, clock, log }: BrokerOptions): Unit {
  const { rig, camera_id: node, broker } = config;
  const aedes = aedesBroker({
    host: broker.host,
    port: broker.port,
    persistencePath: join(config.state_dir, 'broker'),
    log,
  });
  // The port is known once the broker listens, which is before anything connects.
  const local: BrokerPort = {
    connect: (options) => mqttBroker({ host: reachable(broker.host), port: aedes.port() }).connect(options),
  };
  const bus = createBus({ rig, node, service: 'broker', broker: local, clock, log });
  const common = { rig, node, local, queueMessages: broker.queue_messages, clock, log };
  const peers = rigPeers({ config, bus });
  const links: Link[] = peers.cameras.map((camera) => {
    if (camera === node)
      throw new TouchlineError('configuration_invalid', `broker.peers: ${node} cannot be its own peer`, {
        field: 'broker.peers',
      });
    return createLink({
      ...common,
      other: { kind: 'peer', camera },
      remote: mqttBroker(() => peers.addressOf(camera)),
    });
  });
  if (broker.central)
    links.push(createLink({ ...common, other: { kind: 'central' }, remote: mqttBroker(broker.central) }));

  let stopReporting: () => void = () => undefined;
  const report = (): void => bus.setState('broker', { links: links.map((link) => link.state()) });
  const presence: Unit = {
    async start() {
      bus.setAvailability('online');
      report();
      stopReporting = clock.every(STATE_INTERVAL_MS, 'state of the links', report);
    },
    async stop() {
      stopReporting();
    },
  };
  // The bus says goodbye first, and the links carry it.
  return group(aedes, ...links, bus, peers, presence);
}

/** Address to reach a listener on; one that listens on every address is reached on loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
