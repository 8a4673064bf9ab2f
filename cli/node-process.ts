import type { ServiceName } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { updateChannel } from '#ota/channel-parts.ts';
import { createUpdater } from '#ota/service.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { hostPower } from '#ports/host-power/configured-power.ts';
import { nodeUpdateLock, sharedUpdateLock } from '#ports/update-lock/file-lock.ts';
import { linuxVitals } from '#ports/vitals/linux-vitals.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { previewSocketPath } from '#runtime/unix-socket.ts';
import { isWanted, type OptionalService } from '#runtime/wanted-services.ts';
import { createApi } from '#services/api/service.ts';
import { createBroker } from '#services/broker/service.ts';
import { healthSensors } from '#services/health/sensors.ts';
import { createHealth } from '#services/health/service.ts';
import { createHousekeeper } from '#services/housekeeper/service.ts';
import { networkParts } from '#services/network-manager/network-parts.ts';
import { createNetworkManager } from '#services/network-manager/service.ts';
import { createRecorder } from '#services/recorder/service.ts';
import { panelParts } from '#services/signals/panel-parts.ts';
import { createSignals } from '#services/signals/service.ts';
import { clockParts } from '#services/sync-agent/clock-parts.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';

/**
 * All services of one camera node in this process, made by the factories that their containers use. They share
 * nothing but clock and disk: each has its own connection to the broker and its own Unix socket.
 */
export function createNode(parts: {
  config: NodeConfig;
  log: Logger;
  version: string;
  /** Of the process: where balenaOS says how its Supervisor is asked. */
  env?: Readonly<Record<string, string | undefined>>;
}): Unit {
  const { config, version } = parts;
  const clock = systemClock();
  const disk = localDisk(config.storage.path, config.state_dir);
  const camera = configuredCamera(config, clock);
  const broker = mqttBroker({ host: config.broker.host, port: config.broker.port });

  const withBus = (service: ServiceName, create: (bus: Bus, log: Logger) => Unit): Unit => {
    const log = parts.log.child({ service });
    const bus = nodeBus(service, { config, broker, clock, log });
    return group(bus, create(bus, log));
  };
  const wanted = (service: OptionalService, create: (bus: Bus, log: Logger) => Unit): Unit[] =>
    isWanted(service, config) ? [withBus(service, create)] : [];
  return group(
    createBroker({ config, clock, log: parts.log.child({ service: 'broker' }) }),
    ...wanted('network-manager', (bus, log) =>
      createNetworkManager({ config, clock, bus, log, version, ...networkParts(config, clock) }),
    ),
    withBus('sync-agent', (bus, log) =>
      createSyncAgent({
        config,
        clock,
        bus,
        log,
        state: localDisk(config.state_dir),
        ...clockParts(config, clock),
      }),
    ),
    withBus('recorder', (bus, log) =>
      createRecorder({
        config,
        clock,
        disk,
        state: localDisk(config.state_dir),
        camera,
        vitals: linuxVitals(config.sensors),
        updateLock: nodeUpdateLock('recorder', config),
        bus,
        log,
        version,
        previewSocket: previewSocketPath(config),
      }),
    ),
    withBus('housekeeper', (bus, log) =>
      createHousekeeper({ config, clock, disk, bus, log, version, power: hostPower(config) }),
    ),
    ...wanted('health', (bus, log) =>
      createHealth({ config, clock, bus, log, ...healthSensors(config, clock) }),
    ),
    ...wanted('signals', (bus, log) =>
      createSignals({ config, clock, bus, log, ...panelParts(config, clock) }),
    ),
    ...wanted('updater', (bus, log) => {
      const lock = sharedUpdateLock('updater', config);
      return createUpdater({
        ...{ config, clock, bus, log, lock },
        state: localDisk(config.state_dir),
        channel: updateChannel(config, { clock, lock, env: parts.env ?? {} }),
      });
    }),
    withBus('api', (bus, log) =>
      createApi({ config, clock, disk, state: localDisk(config.state_dir), bus, log, version }),
    ),
  );
}
