import { join } from 'node:path';
import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { createApi } from './service.ts';

await runService({
  name: 'api',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log, version }) => {
    const clock = systemClock();
    const disk = localDisk(config.storage.path);
    const bus = createBus({
      rig: config.rig,
      node: config.camera_id,
      service: 'api',
      broker: mqttBroker({ host: config.broker.host, port: config.broker.port }),
      clock,
      log,
      socketPath: join(config.runtime_dir, 'api.sock'),
    });
    return group(bus, createApi({ config, clock, disk, bus, log, version }));
  },
});
