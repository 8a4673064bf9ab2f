import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { panelParts } from './panel-parts.ts';
import { createSignals } from './service.ts';

await runService({
  name: 'signals',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log }) => {
    const clock = systemClock();
    const bus = nodeBus('signals', { config, broker: mqttBroker(config.broker), clock, log });
    return group(bus, createSignals({ config, clock, bus, log, ...panelParts(config, clock) }));
  },
});
