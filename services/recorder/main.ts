import { join } from 'node:path';
import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { createRecorder } from './service.ts';

await runService({
  name: 'recorder',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log, version }) => {
    const clock = systemClock();
    const disk = localDisk(config.storage.path);
    const camera = configuredCamera(config.camera, clock);
    const bus = createBus({
      rig: config.rig,
      node: config.camera_id,
      service: 'recorder',
      broker: mqttBroker({ host: config.broker.host, port: config.broker.port }),
      clock,
      log,
      socketPath: join(config.runtime_dir, 'recorder.sock'),
    });
    return group(bus, createRecorder({ config, clock, disk, camera, bus, log, version }));
  },
});
