import type { Announcement, Discovery, Sighting } from './discovery.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  rejects(found: Promise<unknown>, wanted: { code: string }, message: string): unknown;
}

/** Machines on one network. */
export interface DiscoveryLab {
  /** A further machine. */
  readonly machine: () => Discovery;
  /** Another program takes the port, until the returned function is called; undefined where that cannot be done. */
  readonly occupied: (
    discovery: () => Discovery,
    work: (discovery: Discovery) => Promise<void>,
  ) => Promise<void>;
  /** Lets time pass until the condition holds; false when it does not in a minute. */
  until(condition: () => boolean): Promise<boolean>;
}

export function announcement(change: Partial<Announcement> = {}): Announcement {
  return {
    rig: 'conformance',
    camera_id: 'CAM_L',
    position: 'left',
    version: '1.2.3',
    hardware_id: 'board-1',
    mqtt_port: 1883,
    exchange_port: 7123,
    api_port: 8080,
    ...change,
  };
}

/** Every discovery, real or simulated, behaves like this. */
export async function discoveryConformance(t: Assertions, lab: DiscoveryLab): Promise<void> {
  const { until } = lab;
  const failures: unknown[] = [];
  const open = async (self: Announcement) => {
    const machine = { discovery: lab.machine(), others: [] as readonly Sighting[] };
    await machine.discovery.open(self, {
      seen(others) {
        machine.others = others.filter(({ rig }) => rig === self.rig);
      },
      failed: (error) => void failures.push(error),
    });
    return machine;
  };
  const withoutHost = ({ host, ...rest }: Sighting): Announcement => {
    t.ok(host !== '', 'it has an address');
    return rest;
  };

  const self = announcement();
  const right = announcement({ camera_id: 'CAM_R', position: null, hardware_id: 'board-2', mqtt_port: 1884 });
  const here = await open(self);
  t.same(here.others, [], 'alone');
  const there = await open(right);
  t.ok(await until(() => here.others.length === 1 && there.others.length === 1), 'two find each other');
  t.same(here.others.map(withoutHost), [right], 'with all that the other says');
  t.same(there.others.map(withoutHost), [self], 'both ways');

  const twin = await open(announcement({ hardware_id: 'board-3', mqtt_port: 1885 }));
  t.ok(
    await until(() => here.others.length === 2),
    'another machine that says it is the same camera is another',
  );
  t.ok(await until(() => twin.others.length === 2), 'for both of them');
  t.ok(
    twin.others.some(({ camera_id, hardware_id }) => camera_id === 'CAM_L' && hardware_id === 'board-1'),
    'each sees the board of the other',
  );
  await twin.discovery.close();
  t.ok(await until(() => here.others.length === 1), 'a goodbye takes it away');
  t.equal(here.others[0]?.camera_id, 'CAM_R', 'and nobody else');

  await there.discovery.close();
  t.ok(await until(() => here.others.length === 0), 'and the other');
  const again = await open(right);
  t.ok(await until(() => here.others.length === 1), 'who comes back is found again');
  await again.discovery.close();
  await here.discovery.close();
  await here.discovery.close();
  t.same(failures, [], 'nothing failed');
  await lab.occupied(lab.machine, async (discovery) => {
    await t.rejects(
      discovery.open(self, { seen: () => undefined, failed: () => undefined }),
      { code: 'discovery_failed' },
      'a port that is taken is an error with a name',
    );
    await discovery.close();
  });
}
