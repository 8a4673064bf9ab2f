import type { Network, NetworkEvent } from './network.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  rejects(
    found: Promise<unknown>,
    wanted: { code: string; details?: { reason: string } },
    message: string,
  ): unknown;
}

/** A radio on nothing, networks of others, and another machine. */
export interface NetworkLab {
  readonly network: Network;
  /** Another machine with a radio. */
  readonly other: Network;
  appear(ssid: string, options: { readonly key: string; readonly hidden?: boolean }): Promise<void>;
  vanish(ssid: string): Promise<void>;
  /** Lets time pass until the promise has settled. */
  settled<T>(promise: Promise<T>): Promise<T>;
  /** Lets time pass until the condition holds; false when it does not in a minute. */
  until(condition: () => Promise<boolean>): Promise<boolean>;
}

const KEY = 'goalkeeper-1';
const OPEN = { ssid: 'SOCCER_CAM_L', key: 'half-time-tea', channel: 6, address: '10.42.7.1/24' };

/** Every network, real or simulated, behaves like this. */
export async function networkConformance(t: Assertions, lab: NetworkLab): Promise<void> {
  const { network, other, settled, until } = lab;
  const events: NetworkEvent[] = [];
  const stop = await network.watch((event) => void events.push(event));
  const radio = async (of = network) => (await of.link()).radio;
  const sees = async (ssid: string, hidden: readonly string[] = []): Promise<boolean> =>
    (await settled(network.look(hidden))).some((seen) => seen.ssid === ssid);
  t.ok(await until(async () => (await radio()).kind === 'idle'), 'it is on nothing');

  await lab.appear('CLUB', { key: KEY });
  t.ok(await until(() => sees('CLUB')), 'a network that appears is seen');
  await t.rejects(
    settled(network.join({ ssid: 'CLUB', key: 'not-the-key', hidden: false })),
    { code: 'network_failed', details: { reason: 'wrong_key' } },
    'a wrong key is told as such',
  );
  t.ok(await until(async () => (await radio()).kind === 'idle'), 'and it is on nothing again');
  events.length = 0;
  await settled(network.join({ ssid: 'CLUB', key: KEY, hidden: false }));
  t.same(await radio(), { kind: 'member', ssid: 'CLUB' }, 'with the key it joins');
  const { addresses, signal_percent } = await network.link();
  t.equal(addresses.length, 1, 'and has an address');
  t.ok((signal_percent ?? -1) > 0, 'and a signal');
  t.ok(
    await until(async () =>
      events.some(
        ({ kind, ...event }) => kind === 'changed' && 'link' in event && event.link.radio.kind === 'member',
      ),
    ),
    'which is told',
  );

  await lab.vanish('CLUB');
  t.ok(await until(async () => (await radio()).kind === 'idle'), 'a network that vanishes is lost');
  await lab.appear('BOARDROOM', { key: KEY, hidden: true });
  t.ok(await until(() => sees('BOARDROOM', ['BOARDROOM'])), 'a hidden network is seen when it is asked for');
  await settled(network.join({ ssid: 'BOARDROOM', key: KEY, hidden: true }));
  t.same(await radio(), { kind: 'member', ssid: 'BOARDROOM' }, 'and joined');
  await settled(network.leave());
  t.ok(await until(async () => (await radio()).kind === 'idle'), 'it is left');
  await settled(network.leave());
  await lab.vanish('BOARDROOM');

  await settled(network.open(OPEN));
  t.same(await radio(), { kind: 'open', ssid: OPEN.ssid }, 'it is an access point');
  t.same((await network.link()).addresses, ['10.42.7.1'], 'with its address');
  await settled(other.join({ ssid: OPEN.ssid, key: OPEN.key, hidden: false }));
  t.same(await radio(other), { kind: 'member', ssid: OPEN.ssid }, 'which others join');
  const [address = ''] = (await other.link()).addresses;
  t.ok(address.startsWith('10.42.7.') && address !== '10.42.7.1', 'and get an address of its network');
  await t.rejects(
    settled(network.join({ ssid: 'NOWHERE', key: KEY, hidden: false })),
    { code: 'network_failed' },
    'a network that is not there cannot be joined',
  );
  t.ok(
    await until(async () => (await radio()).kind === 'open'),
    'and the access point is there again: what fails is rolled back',
  );
  await lab.appear('CLUB', { key: KEY });
  const control = new AbortController();
  const reason = new Error('no longer wanted');
  const given = network
    .join({ ssid: 'CLUB', key: KEY, hidden: false }, control.signal)
    .catch((error: unknown) => error);
  control.abort(reason);
  t.equal(await settled(given), reason, 'a join that is given up rejects with the reason');
  t.ok(await until(async () => (await radio()).kind === 'open'), 'and the access point is there again');
  await settled(network.join({ ssid: 'CLUB', key: KEY, hidden: false }));
  t.same(await radio(), { kind: 'member', ssid: 'CLUB' }, 'from an access point to a network');
  t.ok(await until(async () => (await radio(other)).kind === 'idle'), 'which nobody is on any more');
  await settled(network.leave());
  await lab.vanish('CLUB');
  stop();
}
