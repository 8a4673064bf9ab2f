import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { commonRoutes } from '#contracts/routes.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { createEventStream, type EventStreamOptions } from '#runtime/event-stream.ts';
import { closeHttpApp, createHttpApp, portOf } from '#runtime/http-app.ts';
import { createLogger } from '#runtime/logger.ts';
import { openStream, type SseMessage } from '../../fixtures/sse.ts';

const log = createLogger({ name: 'test', level: 'silent' });

interface Messages {
  rig: { n: number; pad?: string };
  event: { n: number; pad?: string };
}

async function served(
  t: { teardown(end: () => Promise<void>): void },
  options: Partial<EventStreamOptions<Messages>> = {},
  mayStay: () => boolean = () => true,
) {
  const clock = manualClock();
  const stream = createEventStream<Messages>({
    clock,
    kinds: { rig: 'latest', event: 'ring' },
    ringSize: 5,
    ...options,
  });
  const app = await createHttpApp({ log });
  stream.register(app, mayStay);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => closeHttpApp(app, 100));
  const url = `http://127.0.0.1:${portOf(app)}${commonRoutes.events}`;

  /** Opens the stream; `next(n)` gives the next n messages that are no beats. */
  const open = async (lastId?: string) => {
    const client = await openStream(url, lastId === undefined ? {} : { 'last-event-id': lastId });
    const next = async (count: number): Promise<SseMessage[]> => {
      const messages: SseMessage[] = [];
      while (messages.length < count)
        messages.push(await client.until('a message', ({ event }) => event !== 'beat'));
      return messages;
    };
    return { ...client, raw: client.next, next };
  };
  return { clock, stream, app, open };
}

const names = (messages: SseMessage[]): string[] => messages.map(({ event, data }) => `${event} ${data.n}`);

t.test('a new client gets the newest value and everything from then on', async (t) => {
  const { stream, open } = await served(t);
  stream.publish('event', { n: 1 });
  stream.publish('rig', { n: 1 });
  const client = await open();
  t.match(client.response.headers.get('content-type'), 'text/event-stream');
  t.match(client.response.headers.get('cache-control'), 'no-cache');
  stream.publish('event', { n: 2 });
  const messages = await client.next(2);
  t.same(names(messages), ['rig 1', 'event 2'], 'what was before it came is not replayed');
  for (const { id } of messages) t.match(id, /^[0-9A-Z]{26}-\d+$/);
});

t.test('who comes back gets what it missed, once, then the newest value', async (t) => {
  const { stream, open } = await served(t);
  const first = await open();
  stream.publish('event', { n: 1 });
  const [seen] = await first.next(1);
  await first.close();
  for (const n of [2, 3]) stream.publish('event', { n });
  stream.publish('rig', { n: 7 });
  const second = await open(seen?.id);
  stream.publish('event', { n: 4 });
  t.same(names(await second.next(4)), ['event 2', 'event 3', 'rig 7', 'event 4']);
});

t.test('a gap that the ring does not cover, or another run, is said', async (t) => {
  const { stream, open } = await served(t);
  const first = await open();
  stream.publish('event', { n: 1 });
  const id = (await first.next(1))[0]?.id ?? '';
  for (let n = 2; n <= 6; n++) stream.publish('event', { n });
  t.same(names(await (await open(id)).next(5)), ['event 2', 'event 3', 'event 4', 'event 5', 'event 6']);
  stream.publish('event', { n: 7 });
  for (const last of [id, '01ARZ3NDEKTSV4RRFFQ69G5FAV-3', `${id.split('-')[0]}-99`, 'nonsense']) {
    const client = await open(last);
    stream.publish('event', { n: 8 });
    const [reset, event] = await client.next(2);
    t.equal(reset?.event, 'reset', last);
    t.equal(event?.event, 'event');
  }
});

t.test('where asked for, a first connection begins with a reset, a resumed one does not', async (t) => {
  const { stream, open } = await served(t, { announceReset: true });
  const [reset] = await (await open()).next(1);
  t.equal(reset?.event, 'reset');
  stream.publish('event', { n: 1 });
  t.same(names(await (await open(reset?.id)).next(1)), ['event 1']);
});

t.test(
  'a latest kind is sent when it changed, at most once an interval, its last value always',
  async (t) => {
    const { clock, stream, open } = await served(t);
    const client = await open();
    for (let n = 1; n <= 5; n++) stream.publish('rig', { n });
    await clock.advance(250);
    for (let n = 0; n < 5; n++) stream.publish('rig', { n: 5 });
    await clock.advance(1000);
    stream.publish('event', { n: 1 });
    t.same(names(await client.next(3)), ['rig 1', 'rig 5', 'event 1']);
  },
);

t.test('a beat comes every two seconds, and whose leave is over is cut off', async (t) => {
  let allowed = true;
  const { clock, stream, open } = await served(t, {}, () => allowed);
  const client = await open();
  await clock.advance(2000);
  t.match(await client.raw(), { event: 'beat', data: { at: '2024-03-15T14:00:02.000000Z' } });
  allowed = false;
  await clock.advance(2000);
  t.equal(await client.raw(), undefined, 'the stream ended');
  t.equal(stream.clients, 0);
});

t.test('a client that does not read is cut off; the others get everything', async (t) => {
  const { stream, app, open } = await served(t, { clientLimitBytes: 300_000, ringSize: 1 });
  const reading = await open();
  const deaf = connect(portOf(app), '127.0.0.1').pause();
  deaf.on('error', () => t.comment('reset by the server'));
  deaf.write(`GET ${commonRoutes.events} HTTP/1.1\r\nhost: x\r\n\r\n`);
  while (stream.clients < 2) await new Promise((resolve) => setImmediate(resolve));
  const pad = 'x'.repeat(100_000);
  let sent = 0;
  for (; stream.clients === 2 && sent < 1000; sent++) {
    stream.publish('event', { n: sent, pad });
    const [got] = await reading.next(1);
    t.equal(got?.data.n, sent) || t.bailout();
  }
  t.equal(stream.clients, 1, `after ${sent} messages`);
  deaf.destroy();
});

t.test('a slow client is owed only the newest value of a latest kind', async (t) => {
  const { clock, stream, app } = await served(t, { clientLimitBytes: 3_000_000 });
  const slow = connect(portOf(app), '127.0.0.1').pause();
  slow.write(`GET ${commonRoutes.events} HTTP/1.1\r\nhost: x\r\n\r\n`);
  while (stream.clients < 1) await new Promise((resolve) => setImmediate(resolve));
  const pad = 'x'.repeat(200_000);
  for (let n = 1; n <= 200; n++) {
    stream.publish('rig', { n, pad });
    await clock.advance(250);
  }
  t.equal(stream.clients, 1, '40 MB of values did not pile up for it');
  let text = '';
  slow.on('data', (chunk) => {
    text = (text + chunk).slice(-500_000);
    if (text.includes('{"n":200,')) slow.destroy();
  });
  slow.resume();
  await once(slow, 'close');
  t.match(text, '{"n":200,');
});

t.test('closing the application ends every stream at once', async (t) => {
  const { app, open } = await served(t);
  const client = await open();
  await app.close();
  t.equal(await client.raw(), undefined);
});
