import type { Clock } from '#ports/clock/clock.ts';
import { type Announcement, GOODBYE_GRACE_US, type Sighting, VANISHED_AFTER_US } from './discovery.ts';

/** A node that is heard from two addresses keeps the one it was found by, as long as that answers. */
const ADDRESS_FRESH_US = 12_000_000;

/** Rigs have three cameras, and a tournament has some rigs; more is noise, or somebody who means harm. */
export const NODES_MAX = 64;
/** Of one node: its radio, its cable, and what it had before. */
export const HOSTS_MAX = 8;

/** Who is there, by what was heard and when. */
export interface Sightings {
  /** `name`: of the announcement, which tells two machines apart that say the same. */
  heard(name: string, announcement: Announcement, host: string): void;
  goodbye(name: string): void;
  /** Forgets addresses that cannot be reached any more, and takes no others from now on. */
  keepHosts(reachable: (host: string) => boolean): void;
  /** To be called now and then, and after what was heard: tells when the list is not what it was. */
  settle(): void;
}

interface Known {
  announcement: Announcement;
  host: string;
  readonly hosts: Map<string, number>;
  leavesAtUs: number | undefined;
}

export function createSightings(
  clock: Pick<Clock, 'monoUs'>,
  onChange: (others: readonly Sighting[]) => void,
): Sightings {
  const known = new Map<string, Known>();
  let told = '[]';
  let isReachable = (_host: string): boolean => true;

  return {
    heard(name, announcement, host) {
      if (!isReachable(host)) return;
      const nowUs = clock.monoUs();
      const before = known.get(name);
      if (before === undefined && known.size >= NODES_MAX) return;
      const entry: Known = before ?? { announcement, host, hosts: new Map(), leavesAtUs: undefined };
      entry.announcement = announcement;
      entry.leavesAtUs = undefined;
      if (entry.hosts.has(host) || entry.hosts.size < HOSTS_MAX) entry.hosts.set(host, nowUs);
      if (nowUs - (entry.hosts.get(entry.host) ?? 0) > ADDRESS_FRESH_US && entry.hosts.has(host))
        entry.host = host;
      known.set(name, entry);
    },
    goodbye(name) {
      const entry = known.get(name);
      if (entry) entry.leavesAtUs ??= clock.monoUs() + GOODBYE_GRACE_US;
    },
    keepHosts(reachable) {
      isReachable = reachable;
      for (const entry of known.values()) {
        for (const host of entry.hosts.keys()) if (!reachable(host)) entry.hosts.delete(host);
        const [latest] = [...entry.hosts].toSorted(([, a], [, b]) => b - a);
        if (latest && !entry.hosts.has(entry.host)) entry.host = latest[0];
      }
    },
    settle() {
      const nowUs = clock.monoUs();
      for (const [name, { hosts, leavesAtUs }] of known) {
        for (const [host, atUs] of hosts) if (nowUs - atUs > VANISHED_AFTER_US) hosts.delete(host);
        if (hosts.size === 0 || (leavesAtUs !== undefined && nowUs >= leavesAtUs)) known.delete(name);
      }
      const others = [...known.values()].map(({ announcement, host }) => ({ ...announcement, host }));
      const now = JSON.stringify(others);
      if (now === told) return;
      told = now;
      onChange(others);
    },
  };
}
