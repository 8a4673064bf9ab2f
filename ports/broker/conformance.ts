import { setTimeout as delay } from 'node:timers/promises';
import type { BrokerConnection, BrokerMessage, BrokerPort } from './broker.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
}

/** A broker that the suite can treat badly. */
export interface BrokerLab {
  readonly broker: BrokerPort;
  /** Cuts the connection of that client without a goodbye; it comes back by itself. */
  sever(clientId: string): void;
  down(): Promise<void>;
  /** It is back with what it had retained. */
  up(): Promise<void>;
}

const LIMIT_MS = 10_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${LIMIT_MS} ms for ${what}`);
    await delay(5);
  }
}

const state = async (connection: BrokerConnection, wanted: boolean): Promise<void> => {
  let now: boolean | undefined;
  const stop = connection.onConnected((connected) => {
    now = connected;
  });
  await until(() => now === wanted, wanted ? 'the connection' : 'the connection to break');
  stop();
};

const MANY = 100;

/** Every way to a broker behaves like this. */
export async function brokerConformance(t: Assertions, lab: BrokerLab): Promise<void> {
  const connections: BrokerConnection[] = [];
  const connect = async (clientId: string, will?: { topic: string; payload: string }) => {
    const connection = lab.broker.connect({ clientId, ...(will ? { will } : {}) });
    connections.push(connection);
    await state(connection, true);
    return connection;
  };
  const listen = async (connection: BrokerConnection, filter: string) => {
    const seen: BrokerMessage[] = [];
    const stop = await connection.subscribe(filter, (message) => seen.push(message));
    return { seen, stop, payloads: () => seen.map(({ payload }) => payload) };
  };

  const alice = await connect('alice', { topic: 'lab/alice/here', payload: 'gone' });
  const bob = await connect('bob');

  const plus = await listen(bob, 'lab/+/x');
  const hash = await listen(bob, 'lab/#');
  await alice.publish('lab/a/x', '1', { retain: false });
  await alice.publish('lab/a/b/x', '2', { retain: false });
  await alice.publish('lab', '3', { retain: false });
  await until(() => hash.seen.length >= 3, 'three messages below lab/#');
  t.same(plus.payloads(), ['1'], '"+" covers one level');
  t.same(
    hash.payloads(),
    ['1', '2', '3'],
    '"#" covers all levels and its parent, in the order of publishing',
  );
  await plus.stop();
  await hash.stop();

  const mixed = await listen(bob, 'mixed/#');
  await Promise.all(
    Array.from({ length: MANY }, (_, n) =>
      alice.publish(`mixed/${n % 2 === 0 ? 'state' : 'event'}`, String(n), { retain: n % 2 === 0 }),
    ),
  );
  await until(() => mixed.seen.length >= MANY, `${MANY} messages, retained ones and others mixed`);
  t.same(
    mixed.payloads(),
    Array.from({ length: MANY }, (_, n) => String(n)),
    'retained and other messages arrive in order, none is lost',
  );
  t.equal(
    mixed.seen.some(({ retain }) => retain),
    false,
    'a message that arrives live is not marked',
  );
  await mixed.stop();

  const late = await listen(bob, 'mixed/#');
  await until(() => late.seen.length > 0, 'the retained message');
  t.same(
    late.seen,
    [{ topic: 'mixed/state', payload: String(MANY - 2), retain: true }],
    'who comes late gets the last retained message, marked, and nothing else',
  );
  const again = await listen(bob, 'mixed/#');
  await until(() => again.seen.length > 0, 'the retained message for a second handler of the same filter');
  await late.stop();
  await alice.publish('mixed/event', 'still', { retain: false });
  await until(() => again.payloads().includes('still'), 'a message for the handler that is left');
  t.equal(late.payloads().includes('still'), false, 'a handler that was taken back gets nothing');
  await again.stop();

  await alice.publish('mixed/state', '', { retain: true });
  const cleared = await listen(bob, 'mixed/#');
  await alice.publish('mixed/event', 'end', { retain: false });
  await until(() => cleared.seen.length > 0, 'the message after the cleared one');
  t.same(cleared.payloads(), ['end'], 'an empty retained message clears');
  await cleared.stop();

  const command = 'touchline/rig/CAM_L/cmd/recorder/start';
  const live = await listen(bob, command);
  await alice.publish(command, '{}', { retain: true });
  await until(() => live.seen.length > 0, 'the retained command');
  t.same(live.seen, [{ topic: command, payload: '{}', retain: true }], 'a retained command arrives marked');
  const after = await listen(bob, 'touchline/#');
  await alice.publish('touchline/rig/session', 'end', { retain: false });
  await until(() => after.seen.length > 0, 'the message after the command');
  t.same(after.payloads(), ['end'], 'and is not kept');
  await live.stop();
  await after.stop();

  const wills = await listen(bob, 'lab/alice/here');
  await alice.publish('lab/alice/here', 'yes', { retain: true });
  await until(() => wills.payloads().includes('yes'), 'the birth message');
  const aliceHears = await listen(alice, 'lab/to-alice');
  lab.sever('alice');
  await until(() => wills.payloads().includes('gone'), 'the will of a severed connection');
  await state(alice, true);
  await bob.publish('lab/to-alice', 'hello again', { retain: false });
  await until(() => aliceHears.seen.length > 0, 'a message after the reconnect');
  t.same(aliceHears.payloads(), ['hello again'], 'a connection that came back has its subscriptions');
  await alice.publish('lab/alice/here', 'yes', { retain: true });

  await lab.down();
  await state(alice, false);
  await t.rejects(
    alice.publish('lab/x', 'lost', { retain: true }),
    { code: 'broker_unreachable' },
    'publishing while the broker is away is refused',
  );
  const early = await listen(alice, 'lab/#');
  await lab.up();
  await state(alice, true);
  await state(bob, true);
  await bob.publish('lab/now', 'back', { retain: false });
  await until(() => early.payloads().includes('back'), 'a message on a subscription made while it was away');
  t.equal(early.payloads().includes('lost'), false, 'what was refused does not appear later');
  t.same(
    early.seen.filter(({ topic }) => topic === 'lab/alice/here'),
    [{ topic: 'lab/alice/here', payload: 'gone', retain: true }],
    'retained messages survive the broker, and the wills of lost connections count',
  );

  await alice.publish('lab/alice/here', 'yes', { retain: true });
  await alice.close();
  const carol = await connect('carol');
  const last = await listen(carol, 'lab/alice/here');
  await until(() => last.seen.length > 0, 'the retained message of a closed connection');
  t.same(last.payloads(), ['yes'], 'a connection that is closed leaves no will');
  await t.rejects(
    alice.publish('lab/x', 'late', { retain: false }),
    { code: 'broker_unreachable' },
    'a closed connection publishes nothing',
  );
  for (const connection of connections) await connection.close();
}
