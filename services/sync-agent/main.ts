import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { clockParts } from './clock-parts.ts';
import { createSyncAgent } from './service.ts';

await runService({
  name: 'sync-agent',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log }) => {
    const clock = systemClock();
    const bus = nodeBus('sync-agent', { config, broker: mqttBroker(config.broker), clock, log });
    const state = localDisk(config.state_dir);
    return group(bus, createSyncAgent({ config, clock, bus, log, state, ...clockParts(config, clock) }));
  },
});
