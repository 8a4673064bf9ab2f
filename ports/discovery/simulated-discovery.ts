import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import {
  type Announcement,
  ASK_EVERY_MS,
  type Discovery,
  type DiscoveryListener,
  isOwn,
} from './discovery.ts';
import { createSightings } from './sightings.ts';

/** The air between nodes in memory: who is on it hears the others. */
export interface SimulatedAir {
  node(host: string): Discovery;
  /** From now on nothing is heard from that host, nor by it; or it is again. */
  silence(host: string, silent: boolean): void;
  /** Another program holds the port on that host, or lets go of it. */
  occupy(host: string, occupied: boolean): void;
}

interface Station {
  readonly self: Announcement;
  readonly hear: (name: string, announcement: Announcement, host: string) => void;
  readonly farewell: (name: string) => void;
}

const SETTLE_EVERY_MS = 500;

export function simulatedAir(clock: Clock): SimulatedAir {
  const stations = new Map<string, Station>();
  const silent = new Set<string>();
  const occupied = new Set<string>();
  const nameOf = (host: string, { rig, camera_id }: Announcement): string => `${rig} ${camera_id} at ${host}`;
  const others = (host: string): [string, Station][] =>
    silent.has(host) ? [] : [...stations].filter(([other]) => other !== host && !silent.has(other));

  return {
    node(host) {
      let stops: (() => void)[] = [];
      return {
        async open(self, listener: DiscoveryListener) {
          if (occupied.has(host))
            throw new TouchlineError('discovery_failed', `multicast DNS on ${host}: the port is taken`);
          const sightings = createSightings(clock, (seen) => listener.seen(seen));
          const station: Station = {
            self,
            hear(name, announcement, from) {
              if (isOwn(self, announcement)) return;
              sightings.heard(name, announcement, from);
              sightings.settle();
            },
            farewell(name) {
              sightings.goodbye(name);
              sightings.settle();
            },
          };
          stations.set(host, station);
          const ask = (): void => {
            for (const [from, other] of others(host)) {
              station.hear(nameOf(from, other.self), other.self, from);
              other.hear(nameOf(host, self), self, host);
            }
          };
          ask();
          stops = [
            clock.every(ASK_EVERY_MS, 'nodes on the air', ask),
            clock.every(SETTLE_EVERY_MS, 'nodes that left', () => sightings.settle()),
          ];
        },
        async close() {
          for (const stop of stops.splice(0)) stop();
          const station = stations.get(host);
          if (!station) return;
          stations.delete(host);
          for (const [, other] of others(host)) other.farewell(nameOf(host, station.self));
        },
      };
    },
    silence(host, off) {
      if (off) silent.add(host);
      else silent.delete(host);
    },
    occupy(host, taken) {
      if (taken) occupied.add(host);
      else occupied.delete(host);
    },
  };
}
