import { networkInterfaces } from 'node:os';
import { getResponder, type Responder, type ResponderOptions } from '@homebridge/ciao';
import multicastDns, { type MulticastDns, type Response } from 'multicast-dns';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { announcementOf, txtOf } from './announcement-txt.ts';
import {
  type Announcement,
  ASK_EVERY_MS,
  type Discovery,
  type DiscoveryListener,
  isOwn,
} from './discovery.ts';
import { nearness } from './nearness.ts';
import { createSightings } from './sightings.ts';

const TYPE = 'touchline';
const SERVICE = `_${TYPE}._tcp.local`;
const LOOK_EVERY_MS = 1000;
/** Of our own: who just came wants to know soon (RFC 6762 5.2: at least a second apart, growing). */
const FIRST_ASKS_MS = [200, 1500, 4000] as const;
const ANYWHERE = '0.0.0.0';

interface OwnAddress {
  readonly interface: string;
  readonly address: string;
  readonly prefix: number;
}

/**
 * Multicast DNS (RFC 6762) with DNS-SD (RFC 6763) on the IPv4 addresses of this machine. ciao announces: it probes, answers, changes the name of a second
 * machine that says the same, and says goodbye. `host`: on the interface of this address alone; 0.0.0.0: on all but loopback.
 */
export function mdnsDiscovery(options: { readonly clock: Clock; readonly host: string }): Discovery {
  const { clock } = options;
  let close = (): Promise<void> => Promise.resolve();

  return {
    async open(self, listener) {
      const session = openSession({ clock, host: options.host, self, listener });
      close = session.close;
      await session.look();
    },
    async close() {
      const closing = close;
      close = () => Promise.resolve();
      await closing();
    },
  };
}

function openSession(parts: {
  readonly clock: Clock;
  readonly host: string;
  readonly self: Announcement;
  readonly listener: DiscoveryListener;
}) {
  const { clock, host, self, listener } = parts;
  const sightings = createSightings(clock, (others) => listener.seen(others));
  const askers = new Map<string, MulticastDns>();
  let announced: { readonly on: string; readonly responder: Responder } | undefined;
  let nearTo: string | undefined;
  let over = false;

  const fail = (cause: unknown): void => {
    if (!over) listener.failed(failed(cause));
  };
  const hear = (response: Response, from: string): void => {
    if (over) return;
    const records = [...response.answers, ...response.additionals];
    for (const record of records) {
      if (record.type === 'PTR' && sameName(record.name, SERVICE) && record.ttl === 0)
        sightings.goodbye(record.data.toLowerCase());
      if (record.type !== 'TXT' || record.ttl === 0 || !record.name.toLowerCase().endsWith(SERVICE)) continue;
      const { data } = record;
      const found = announcementOf(data instanceof Uint8Array ? [data] : data);
      if (found && !isOwn(self, found)) sightings.heard(record.name.toLowerCase(), found, from);
    }
    sightings.settle();
  };

  const ask = (asker: MulticastDns): void =>
    asker.query(SERVICE, 'PTR', (error) => {
      // Between losing an address and noticing it nothing can be sent; that is found at the next look.
      if (error && !UNREACHABLE.has((error as NodeJS.ErrnoException).code ?? '')) fail(error);
    });

  const openAsker = async (address: string): Promise<void> => {
    // Bound to an address it would hear no multicast; by its interface it sends.
    const asker = multicastDns({ interface: address, bind: ANYWHERE });
    askers.set(address, asker);
    asker.on('response', (response, from) => hear(response, from.address));
    // What cannot be decoded, and interfaces that go while it joins.
    asker.on('warning', () => undefined);
    await new Promise<void>((resolve, reject) => {
      asker.on('ready', resolve);
      asker.on('error', (error) => {
        reject(failed(error));
        fail(error);
      });
    });
    for (const ms of FIRST_ASKS_MS)
      void clock.sleepUntil(clock.monoUs() + ms * 1000, 'a question for nodes').then(() => {
        if (askers.get(address) === asker) ask(asker);
      });
  };

  /** Anew on other addresses: ciao itself would notice after a quarter of a minute. */
  const announce = async (own: readonly OwnAddress[]): Promise<void> => {
    const on = JSON.stringify(own);
    if (announced?.on === on) return;
    const before = announced;
    announced = undefined;
    await before?.responder.shutdown();
    if (own.length === 0 || over) return;
    // Responders with equal options are one; this one is of this node alone, also where several run in one process.
    const alone = {
      interface: own.map((each) => each.interface),
      disableIpv6: true,
      of: JSON.stringify(self),
    };
    const responder = getResponder(alone as ResponderOptions);
    announced = { on, responder };
    const service = responder.createService({
      name: `${self.rig} ${self.camera_id}`,
      type: TYPE,
      port: self.api_port,
      txt: txtOf(self),
      disabledIpv6: true,
    });
    // A second machine that says the same gets another name; that it is there is seen in what it announces.
    service.on('name-change', () => undefined).on('hostname-change', () => undefined);
    service.advertise().catch((error: unknown) => {
      // One that is taken back while it probes is no failure.
      if (announced?.responder === responder) fail(error);
    });
  };

  const look = async (): Promise<void> => {
    const own = ownAddresses(host);
    for (const [address, asker] of askers)
      if (!own.some((each) => each.address === address)) {
        askers.delete(address);
        asker.destroy();
      }
    const networks = ownNetworks(host);
    const on = JSON.stringify(networks);
    if (on !== nearTo) {
      nearTo = on;
      sightings.keepHosts(nearness(networks));
    }
    for (const { address } of own) if (!askers.has(address)) await openAsker(address);
    await announce(own);
    sightings.settle();
  };
  const stops = [
    clock.every(ASK_EVERY_MS, 'nodes on the network', () => askers.forEach(ask)),
    clock.every(LOOK_EVERY_MS, 'own addresses', () => look().catch(fail)),
  ];

  return {
    look,
    async close() {
      over = true;
      for (const stop of stops) stop();
      const responder = announced?.responder;
      announced = undefined;
      await responder?.shutdown();
      await Promise.all([...askers.values()].map((asker) => new Promise<void>((end) => asker.destroy(end))));
      askers.clear();
    },
  };
}

const UNREACHABLE = new Set(['ENETUNREACH', 'EADDRNOTAVAIL', 'ENETDOWN', 'EHOSTUNREACH', 'EINVAL', 'ENODEV']);

/** Every address that is used, of all interfaces: a node may be on the second network of a cable. */
function ownNetworks(host: string): OwnAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ family, internal, address }) =>
        host === ANYWHERE ? family === 'IPv4' && !internal : address === host,
      )
      .map(({ address, cidr }) => ({
        interface: name,
        address,
        prefix: Number(cidr?.split('/')[1] ?? 32),
      })),
  );
}

/** One address of each interface: a group is joined once for an interface. */
function ownAddresses(host: string): OwnAddress[] {
  const all = ownNetworks(host);
  return all.filter((each, index) => all.findIndex((other) => other.interface === each.interface) === index);
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function failed(cause: unknown): TouchlineError {
  if (cause instanceof TouchlineError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new TouchlineError(
    'discovery_failed',
    code === 'EADDRINUSE'
      ? 'multicast DNS: another program holds UDP port 5353 for itself'
      : `multicast DNS: ${message}`,
    { cause },
  );
}
