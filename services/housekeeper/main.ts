import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { hostPower } from '#ports/host-power/configured-power.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { createHousekeeper } from './service.ts';

await runService({
  name: 'housekeeper',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log, version }) => {
    const clock = systemClock();
    const disk = localDisk(config.storage.path, config.state_dir);
    const bus = nodeBus('housekeeper', { config, broker: mqttBroker(config.broker), clock, log });
    return group(
      bus,
      createHousekeeper({ config, clock, disk, bus, log, version, power: hostPower(config) }),
    );
  },
});
