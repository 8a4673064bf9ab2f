import type { Clock } from '#ports/clock/clock.ts';
import {
  type ExchangeAddress,
  LONGEST_DATAGRAM_BYTES,
  type TimedDatagram,
  type TimeExchange,
} from './time-exchange.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  notOk(value: unknown, message: string): unknown;
  rejects(
    found: Promise<unknown>,
    wanted: { code: string; field?: string; message?: RegExp },
    message: string,
  ): unknown;
}

/** Exchanges of one network: two of them, and a second one that wants the address of the first. */
export interface ExchangeLab {
  readonly clock: Clock;
  readonly ours: TimeExchange;
  readonly theirs: TimeExchange;
  /** An exchange on an address that is taken. */
  readonly rival: (taken: ExchangeAddress) => TimeExchange;
  /** Lets time pass until the condition holds; false when it does not in a few seconds. */
  until(condition: () => boolean): Promise<boolean>;
}

/** Every exchange, real or simulated, behaves like this. */
export async function exchangeConformance(t: Assertions, lab: ExchangeLab): Promise<void> {
  const { clock, ours, theirs, until } = lab;
  const heard: TimedDatagram[] = [];
  const heardThere: TimedDatagram[] = [];
  const here = await ours.open((datagram) => void heard.push(datagram));
  const there = await theirs.open((datagram) => void heardThere.push(datagram));
  t.notOk(here.port === there.port && here.host === there.host, 'each has an address of its own');
  await t.rejects(
    lab.rival(here).open(() => undefined),
    { code: 'configuration_invalid', field: 'sync.exchange_port' },
    'an address that is taken is refused with the setting that names it',
  );

  const beforeUs = clock.monoUs();
  let sentUs = 0;
  await ours.send(there, (monoUs) => {
    sentUs = monoUs;
    return Buffer.from('question');
  });
  t.ok(sentUs >= beforeUs && sentUs <= clock.monoUs(), 'it is stamped at sending');
  t.ok(await until(() => heardThere.length === 1), 'it arrives');
  const [first] = heardThere;
  if (first === undefined) throw new Error('nothing arrived');
  t.equal(Buffer.from(first.bytes).toString(), 'question', 'as it was');
  t.ok(first.atMonoUs >= sentUs, 'not before it was sent');
  t.same(first.from, here, 'from where the other listens');
  t.ok(theirs.isFrom(first, here), 'which is that node');
  t.notOk(theirs.isFrom(first, { ...here, port: here.port + 1 }), 'and no other on the same host');

  await theirs.send(first.from, () => Buffer.from('answer'));
  t.ok(await until(() => heard.length === 1), 'and so does the answer');

  await ours.send(there, () => Buffer.alloc(LONGEST_DATAGRAM_BYTES + 1));
  for (let n = 0; n < 20; n++) await ours.send(there, () => Buffer.from([n]));
  t.ok(await until(() => heardThere.length === 21), 'many in a row arrive, one that is too long is dropped');
  t.same(
    heardThere.slice(1).map(({ bytes }) => bytes[0]),
    Array.from({ length: 20 }, (_, n) => n),
    'in order, on a quiet network',
  );

  await theirs.close();
  // Whether nobody being there is noticed is up to the network.
  await ours
    .send(there, () => Buffer.from('anybody?'))
    .catch((error: { code?: string }) => {
      t.equal(error.code, 'peer_silent', 'an exchange that is gone is silent');
    });
  await ours.close();
  await t.rejects(
    ours.send(there, () => Buffer.from('late')),
    { code: 'shutting_down' },
    'nothing is sent after closing',
  );
  t.equal(heardThere.length, 21, 'and nothing was heard after it');
}
