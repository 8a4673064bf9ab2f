import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { networkParts } from './network-parts.ts';
import { createNetworkManager } from './service.ts';

await runService({
  name: 'network-manager',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log, version }) => {
    const clock = systemClock();
    const bus = nodeBus('network-manager', { config, broker: mqttBroker(config.broker), clock, log });
    return group(
      bus,
      createNetworkManager({ config, clock, bus, log, version, ...networkParts(config, clock) }),
    );
  },
});
