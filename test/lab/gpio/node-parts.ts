import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import type { ServiceName } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { nodeUpdateLock } from '#ports/update-lock/file-lock.ts';
import { manualVitals } from '#ports/vitals/manual-vitals.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { healthSensors } from '#services/health/sensors.ts';
import { createHealth } from '#services/health/service.ts';
import { createHousekeeper } from '#services/housekeeper/service.ts';
import { networkParts } from '#services/network-manager/network-parts.ts';
import { createNetworkManager } from '#services/network-manager/service.ts';
import { createRecorder } from '#services/recorder/service.ts';
import { panelParts } from '#services/signals/panel-parts.ts';
import { createSignals } from '#services/signals/service.ts';

/** A node in a guest. What is killed in the lab is a process of its own; the rest is one, because a guest takes seconds to start one. */

type Killable = 'broker' | 'sync-agent';

export function killableServices(config: string) {
  const running = new Map<Killable, ChildProcess>();
  const kill = async (name: Killable): Promise<void> => {
    const child = running.get(name);
    if (child === undefined) throw new Error(`${name} does not run`);
    running.delete(name);
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return {
    run(name: Killable): void {
      const log = openSync(`/host/log-${name}.jsonl`, 'a');
      const command = [`/host/${name}/main.mjs`, '--config', config, '--until-stdin-closes'];
      running.set(name, spawn(process.execPath, command, { stdio: ['pipe', log, log] }));
    },
    kill,
    async stop(): Promise<void> {
      await Promise.all([...running.keys()].map(kill));
    },
  };
}

type Parts = { readonly config: NodeConfig; readonly clock: Clock; readonly log: Logger };

function withBus(parts: Parts, service: ServiceName, create: (bus: Bus, log: Logger) => Unit): Unit {
  const log = parts.log.child({ service });
  const bus = nodeBus(service, { ...parts, broker: mqttBroker(parts.config.broker), log });
  return group(bus, create(bus, log));
}

export function otherServices(parts: Parts): Unit {
  const { config, clock } = parts;
  const disk = localDisk(config.storage.path, config.state_dir);
  const version = '0.0.0';
  return group(
    withBus(parts, 'network-manager', (bus, log) =>
      createNetworkManager({ config, clock, bus, log, version, ...networkParts(config, clock) }),
    ),
    withBus(parts, 'recorder', (bus, log) =>
      createRecorder({
        ...{ config, clock, disk, bus, log, version },
        state: localDisk(config.state_dir),
        camera: configuredCamera(config, clock),
        vitals: manualVitals(),
        updateLock: nodeUpdateLock('recorder', config),
      }),
    ),
    withBus(parts, 'housekeeper', (bus, log) =>
      createHousekeeper({ config, clock, disk, bus, log, version }),
    ),
    withBus(parts, 'health', (bus, log) =>
      createHealth({ config, clock, bus, log, ...healthSensors(config, clock) }),
    ),
  );
}

/** Signals with the real panel that the configuration names. */
export function signalsService(parts: Parts): Unit {
  const { config, clock } = parts;
  return withBus(parts, 'signals', (bus, log) =>
    createSignals({ config, clock, bus, log, ...panelParts(config, clock) }),
  );
}
