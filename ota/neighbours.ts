import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { StatefulService } from '#contracts/states.ts';
import type { UpdaterState } from '#contracts/updates.ts';
import type { Blocker } from '#domain/updates/machine.ts';
import { type PeerUpdates, rigBlocker } from '#domain/updates/rig.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import { isWanted, type OptionalService } from '#runtime/wanted-services.ts';

/** What the bus says of the rest of the rig and of this node's other services. It informs; what keeps a recording safe is the lock. */
export interface Neighbours extends Unit {
  rigBlocker(target: string): Blocker | null;
  /** Services of this node that should run and are not heard. */
  missing(): string[];
}

const NEEDED = ['recorder', 'sync-agent', 'housekeeper', 'broker'] as const satisfies StatefulService[];
const OPTIONAL = ['health', 'signals', 'network-manager'] as const satisfies OptionalService[];

export function createNeighbours({
  config,
  bus,
  clock,
}: {
  config: NodeConfig;
  bus: Bus;
  clock: Clock;
}): Neighbours {
  const online = new Map<StatefulService, boolean>();
  const available = new Map<CameraId, boolean>();
  const updaters = new Map<CameraId, UpdaterState | null>();
  const services = [...NEEDED, ...OPTIONAL.filter((service) => isWanted(service, config))];
  let session: RigSession | undefined;
  let stops: (() => void)[] = [];

  return {
    rigBlocker(target) {
      const others = config.updates.whole_rig ? config.cameras.filter((id) => id !== config.camera_id) : [];
      const peers = others.map((id): [CameraId, PeerUpdates] => [
        id,
        { available: available.get(id) ?? false, updater: updaters.get(id) ?? null },
      ]);
      return rigBlocker(target, new Map(peers), session, clock.wallUs());
    },
    missing: () => services.filter((service) => !online.get(service)),
    async start() {
      stops = [
        ...services.map((service) =>
          bus.watchState(service, (node, seen) => {
            if (node === config.camera_id) online.set(service, seen.online);
          }),
        ),
        bus.watchState('updater', (node, seen) => void updaters.set(node, seen.online ? seen.state : null)),
        bus.watchAvailability((node, { state }) => void available.set(node, state === 'online')),
        bus.watchSession((found) => {
          session = found;
        }),
      ];
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
    },
  };
}
