import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { nodeUpdateLock } from '#ports/update-lock/file-lock.ts';
import { linuxVitals } from '#ports/vitals/linux-vitals.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { runService } from '#runtime/service-main.ts';
import { previewSocketPath } from '#runtime/unix-socket.ts';
import { createRecorder } from './service.ts';

await runService({
  name: 'recorder',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log, version }) => {
    const clock = systemClock();
    const disk = localDisk(config.storage.path, config.state_dir);
    const camera = configuredCamera(config, clock);
    const bus = nodeBus('recorder', { config, broker: mqttBroker(config.broker), clock, log });
    return group(
      bus,
      createRecorder({
        ...{ config, clock, disk, camera, bus, log, version },
        state: localDisk(config.state_dir),
        vitals: linuxVitals(config.sensors),
        updateLock: nodeUpdateLock('recorder', config),
        previewSocket: previewSocketPath(config),
      }),
    );
  },
});
