import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { hostUpdateLock, sharedUpdateLock } from '#ports/update-lock/file-lock.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { updateChannel } from './channel-parts.ts';
import { createUpdater } from './service.ts';

await runService({
  name: 'updater',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log }) => {
    const clock = systemClock();
    const bus = nodeBus('updater', { config, broker: mqttBroker(config.broker), clock, log });
    const lock = sharedUpdateLock('updater', config);
    return group(
      bus,
      createUpdater({
        ...{ config, clock, bus, log, lock },
        state: localDisk(config.state_dir),
        hold: hostUpdateLock('updater', config),
        channel: updateChannel(config, { clock, lock, env: process.env }),
      }),
    );
  },
});
