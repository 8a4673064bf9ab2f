import type { ServiceName } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { previewSocketPath } from '#runtime/unix-socket.ts';
import { createApi } from '#services/api/service.ts';
import { createBroker } from '#services/broker/service.ts';
import { createHousekeeper } from '#services/housekeeper/service.ts';
import { createRecorder } from '#services/recorder/service.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';

/**
 * All services of one camera node in this process, made by the factories that their containers use. They share
 * nothing but clock and disk: each has its own connection to the broker and its own Unix socket.
 */
export function createNode(parts: { config: NodeConfig; log: Logger; version: string }): Unit {
  const { config, version } = parts;
  const clock = systemClock();
  const disk = localDisk(config.storage.path);
  const camera = configuredCamera(config, clock);
  const broker = mqttBroker({ host: config.broker.host, port: config.broker.port });

  const withBus = (service: ServiceName, create: (bus: Bus, log: Logger) => Unit): Unit => {
    const log = parts.log.child({ service });
    const bus = nodeBus(service, { config, broker, clock, log });
    return group(bus, create(bus, log));
  };
  return group(
    createBroker({ config, clock, log: parts.log.child({ service: 'broker' }) }),
    withBus('sync-agent', (bus, log) => createSyncAgent({ config, clock, bus, log })),
    withBus('recorder', (bus, log) =>
      createRecorder({
        config,
        clock,
        disk,
        camera,
        bus,
        log,
        version,
        previewSocket: previewSocketPath(config),
      }),
    ),
    withBus('housekeeper', (bus, log) => createHousekeeper({ config, clock, disk, bus, log, version })),
    withBus('api', (bus, log) =>
      createApi({ config, clock, disk, state: localDisk(config.state_dir), bus, log, version }),
    ),
  );
}
