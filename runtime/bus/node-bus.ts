import { join } from 'node:path';
import type { ServiceName } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { BrokerPort } from '#ports/broker/broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Logger } from '../logger.ts';
import type { Bus } from './bus.ts';
import { createBus } from './create-bus.ts';

/** The bus of one service of a camera node, as the node's configuration says. */
export function nodeBus(
  service: ServiceName,
  parts: { config: NodeConfig; broker: BrokerPort; clock: Clock; log: Logger },
): Bus {
  const { config, broker, clock, log } = parts;
  const socketOf = (of: string): string => join(config.runtime_dir, `${of}.sock`);
  return createBus({
    rig: config.rig,
    node: config.camera_id,
    service,
    broker,
    clock,
    log,
    // Here the service takes its commands when the broker is gone.
    socketPath: socketOf(service),
    socketOf,
  });
}
