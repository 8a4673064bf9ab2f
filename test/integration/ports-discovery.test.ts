import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { announcementOf, txtOf } from '#ports/discovery/announcement-txt.ts';
import { announcement, discoveryConformance } from '#ports/discovery/conformance.ts';
import { type Sighting, VANISHED_AFTER_US } from '#ports/discovery/discovery.ts';
import { hardwareId } from '#ports/discovery/hardware-id.ts';
import { mdnsDiscovery } from '#ports/discovery/mdns-discovery.ts';
import { createSightings } from '#ports/discovery/sightings.ts';
import { simulatedAir } from '#ports/discovery/simulated-discovery.ts';

t.test('multicast DNS on loopback finds nodes, namesakes and goodbyes', async (t) => {
  const clock = systemClock();
  await discoveryConformance(t, {
    machine: () => mdnsDiscovery({ clock, host: '127.0.0.1' }),
    async occupied(discovery, work) {
      // Without sharing it, as a program does that wants the port for itself.
      const rival = createSocket({ type: 'udp4', reuseAddr: false });
      rival.bind(5353, '0.0.0.0');
      await once(rival, 'listening');
      await work(discovery());
      rival.close();
      await once(rival, 'close');
    },
    until: async (condition) => {
      const endUs = clock.monoUs() + 60e6;
      while (!condition() && clock.monoUs() < endUs)
        await clock.sleepUntil(clock.monoUs() + 20_000, 'a node');
      return condition();
    },
  });
});

t.test('the simulated air does the same, and nodes vanish on it', async (t) => {
  const clock = manualClock();
  const air = simulatedAir(clock);
  let machines = 0;
  const until = async (condition: () => boolean): Promise<boolean> => {
    for (let n = 0; n < 600 && !condition(); n++) await clock.advance(100);
    return condition();
  };
  await discoveryConformance(t, {
    machine: () => air.node(`host-${++machines}`),
    async occupied(_discovery, work) {
      air.occupy('busy', true);
      await work(air.node('busy'));
    },
    until,
  });

  let seen: readonly Sighting[] = [];
  const listen = {
    seen(others: readonly Sighting[]) {
      seen = others;
    },
    failed: () => undefined,
  };
  await air.node('a').open(announcement({ hardware_id: 'a' }), listen);
  await air
    .node('b')
    .open(announcement({ camera_id: 'CAM_R', hardware_id: 'b' }), { ...listen, seen: () => undefined });
  t.ok(await until(() => seen.length === 1));
  air.silence('b', true);
  await clock.advance(VANISHED_AFTER_US / 1000 - 12_000);
  t.equal(seen.length, 1, 'some answers may be lost');
  await clock.advance(14_000);
  t.equal(seen.length, 0, 'who vanishes without a goodbye is gone after a while');
  air.silence('b', false);
  t.ok(await until(() => seen.length === 1), 'and found again');
});

t.test('a node with two addresses keeps the one that answers', (t) => {
  const clock = { us: 0, monoUs: () => clock.us };
  let seen: readonly Sighting[] = [];
  const sightings = createSightings(clock, (others) => {
    seen = others;
  });
  const hear = (host: string, atSec: number): string | undefined => {
    clock.us = atSec * 1e6;
    sightings.heard('x', announcement(), host);
    sightings.settle();
    return seen[0]?.host;
  };
  t.equal(hear('10.0.0.1', 0), '10.0.0.1');
  t.equal(hear('192.168.0.1', 1), '10.0.0.1', 'the first');
  t.equal(hear('192.168.0.1', 11), '10.0.0.1');
  t.equal(hear('192.168.0.1', 20), '192.168.0.1', 'until that one is silent');
  sightings.keepHosts((host) => host.startsWith('10.'));
  t.equal(seen[0]?.host, '192.168.0.1');
  sightings.settle();
  t.equal(seen[0]?.host, '10.0.0.1', 'an address that this machine has no way to is dropped at once');
  sightings.goodbye('x');
  sightings.settle();
  t.equal(seen.length, 1, 'a goodbye may be that of a node that changes its address');
  t.equal(hear('10.0.0.1', 21), '10.0.0.1');
  clock.us = 40e6;
  sightings.settle();
  t.equal(seen.length, 1);
  sightings.goodbye('x');
  clock.us = 43e6;
  sightings.settle();
  t.equal(seen.length, 0);
  t.end();
});

t.test('what a TXT record says is checked', (t) => {
  const bytes = (record: Record<string, string>): Buffer[] =>
    Object.entries(record).map(([key, value]) => Buffer.from(`${key}=${value}`));
  const self = announcement({ position: null });
  t.same(announcementOf(bytes(txtOf(self))), self);
  t.same(announcementOf(bytes({ ...txtOf(self), later: 'more' })), self, 'what comes later may say more');
  t.equal(announcementOf(bytes({ ...txtOf(self), mqtt: '0' })), undefined);
  t.equal(announcementOf(bytes({ ...txtOf(self), id: '../etc' })), undefined);
  t.equal(announcementOf([Buffer.from('nonsense'), Buffer.from([0xff, 0x00])]), undefined);
  t.end();
});

t.test('a board has an id of its own', async (t) => {
  const root = `${await mkdtemp(join(tmpdir(), 'touchline-hardware-'))}/`;
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc/machine-id'), '0123abcd\n');
  t.equal(hardwareId(root), '0123abcd', 'of the installed system');
  await mkdir(join(root, 'sys/firmware/devicetree/base'), { recursive: true });
  await writeFile(join(root, 'sys/firmware/devicetree/base/serial-number'), '10000000abcdef01\0');
  t.equal(hardwareId(root), '10000000abcdef01', 'better: of the board');
});
