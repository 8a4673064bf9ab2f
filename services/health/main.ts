import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { healthSensors } from './sensors.ts';
import { createHealth } from './service.ts';

await runService({
  name: 'health',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log }) => {
    const clock = systemClock();
    const bus = nodeBus('health', { config, broker: mqttBroker(config.broker), clock, log });
    return group(bus, createHealth({ config, clock, bus, log, ...healthSensors(config, clock) }));
  },
});
