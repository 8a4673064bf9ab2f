import { join } from 'node:path';
import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { createSyncAgent } from './service.ts';

await runService({
  name: 'sync-agent',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log }) => {
    const clock = systemClock();
    const bus = createBus({
      rig: config.rig,
      node: config.camera_id,
      service: 'sync-agent',
      broker: mqttBroker({ host: config.broker.host, port: config.broker.port }),
      clock,
      log,
      socketPath: join(config.runtime_dir, 'sync-agent.sock'),
    });
    return group(bus, createSyncAgent({ config, clock, bus, log }));
  },
});
