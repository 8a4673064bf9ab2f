import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { CommandReply } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { EventName } from '#contracts/events.ts';
import type { ServiceName } from '#contracts/ids.ts';
import type { RigSession } from '#contracts/session.ts';
import { toWireTime } from '#contracts/time.ts';
import { topics } from '#contracts/topics.ts';
import type { BrokerMessage } from '#ports/broker/broker.ts';
import { type MemoryBroker, memoryBroker } from '#ports/broker/memory-broker.ts';
import { type ManualClock, manualClock } from '#ports/clock/manual-clock.ts';
import { type BusOptions, createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;
const rig = 'pitch';
const uid = '01HS0000000000000000000000';
const offloadState = { offload: [], recovering: false };

function rigUp(over: Partial<BusOptions> = {}) {
  const clock = (over.clock as ManualClock | undefined) ?? manualClock();
  const broker = (over.broker as MemoryBroker | undefined) ?? memoryBroker();
  const bus = createBus({ rig, node: 'CAM_L', service: 'housekeeper', broker, clock, log, ...over });
  return { clock, broker, bus, settle: () => clock.advance(0) };
}

/** A foreign client: what it hears, and a way to say something. */
function stranger(broker: MemoryBroker, filter: string) {
  const connection = broker.connect({ clientId: `stranger-${filter}` });
  const heard: BrokerMessage[] = [];
  void connection.subscribe(filter, (message) => heard.push(message));
  return {
    heard,
    say: (topic: string, payload: unknown, retain = false) =>
      connection.publish(topic, typeof payload === 'string' ? payload : JSON.stringify(payload), { retain }),
  };
}

function session(revision: number): RigSession {
  return {
    v: 1,
    session_uid: uid,
    session_id: 'GAME',
    revision,
    state: 'recording',
    conductor: 'CAM_C',
    start_at: null,
    stop_at: null,
    max_duration_sec: 60,
    cameras: [],
    updated_at: toWireTime(0),
  };
}

t.test('a state is retained, marked with the run, and only published when it changed', async (t) => {
  const { bus, broker, clock, settle } = rigUp();
  bus.setState('housekeeper', offloadState);
  await bus.start(signal);
  await settle();
  const topic = topics.state(rig, 'CAM_L', 'housekeeper');
  t.match(JSON.parse(broker.retained(topic) ?? '{}'), {
    v: 1,
    online: true,
    run_id: bus.runId,
    ...offloadState,
  });
  const before = broker.publishedCount;
  await clock.advance(1000);
  bus.setState('housekeeper', { ...offloadState });
  await settle();
  t.equal(broker.publishedCount, before, 'nothing new, nothing said');
  bus.setState('housekeeper', { ...offloadState, recovering: true });
  await settle();
  t.equal(broker.publishedCount, before + 1);
  bus.setState('housekeeper', { offload: 'no list' } as never);
  await settle();
  t.match(
    JSON.parse(broker.retained(topic) ?? '{}'),
    { recovering: true },
    'a state against the contract stays here',
  );

  broker.kill('pitch-CAM_L-housekeeper');
  await settle();
  t.match(
    JSON.parse(broker.retained(topic) ?? '{}'),
    { v: 1, online: false, run_id: bus.runId },
    'the last will',
  );
  t.notMatch(broker.retained(topic), 'recovering');
});

t.test('who stops says goodbye, and the broker service speaks for the node', async (t) => {
  const broker = memoryBroker();
  const { bus, settle } = rigUp({ broker });
  const node = rigUp({ broker, service: 'broker' });
  await bus.start(signal);
  await node.bus.start(signal);
  bus.setState('housekeeper', offloadState);
  node.bus.setAvailability('online');
  await settle();
  await node.settle();
  const availability = topics.availability(rig, 'CAM_L');
  t.match(JSON.parse(broker.retained(availability) ?? '{}'), { state: 'online', boot_id: 'manual-boot' });
  broker.drop('pitch-CAM_L-broker');
  t.match(JSON.parse(broker.retained(availability) ?? '{}'), { state: 'offline' }, 'its will');
  await node.settle();
  t.match(JSON.parse(broker.retained(availability) ?? '{}'), { state: 'online' }, 'back after the reconnect');
  await bus.stop();
  await node.bus.stop();
  t.match(JSON.parse(broker.retained(availability) ?? '{}'), { state: 'offline' });
  t.match(JSON.parse(broker.retained(topics.state(rig, 'CAM_L', 'housekeeper')) ?? '{}'), { online: false });
});

t.test('while the broker is away, states and events wait, in order, bounded and counted', async (t) => {
  const logFile = `${t.testdir()}/log`;
  const { bus, broker, settle } = rigUp({
    log: createLogger({ name: 'test', level: 'warn', file: logFile }),
  });
  const ear = stranger(broker, 'touchline/pitch/CAM_L/#');
  broker.down();
  await bus.start(signal);
  t.equal(bus.connected, false, 'it starts without a broker');
  const seen: boolean[] = [];
  bus.onConnected((connected) => seen.push(connected));
  bus.setState('housekeeper', offloadState);
  for (let part = 1; part <= 1003; part++)
    bus.emit('offload/finished', { session_uid: uid, session_id: 'GAME', part });
  bus.setState('housekeeper', { ...offloadState, recovering: true });
  broker.up();
  await settle();
  await settle();
  t.same(seen, [false, true]);
  const parts = ear.heard
    .filter(({ topic }) => topic.includes('/event/'))
    .map(({ payload }) => JSON.parse(payload).part);
  t.equal(parts.length, 1000);
  t.equal(parts[0], 4, 'the oldest were dropped first');
  t.equal(parts.at(-1), 1003);
  const states = ear.heard.filter(({ topic }) => topic.endsWith('/state'));
  t.equal(states.length, 1, 'only the last of a state');
  t.match(JSON.parse(states[0]?.payload ?? '{}'), { recovering: true });
  t.match(
    JSON.parse(readFileSync(logFile, 'utf8')),
    { dropped: 3, msg: /dropped/ },
    'and the loss is in the log',
  );
});

t.test('a session that was delivered is not published again over a newer one', async (t) => {
  const broker = memoryBroker();
  const { bus, settle } = rigUp({ broker, service: 'sync-agent' });
  await bus.start(signal);
  bus.setSession(session(1));
  await settle();
  const other = stranger(broker, topics.session(rig));
  await settle();
  await other.say(topics.session(rig), session(2), true);
  broker.drop('pitch-CAM_L-sync-agent');
  await settle();
  t.equal(JSON.parse(broker.retained(topics.session(rig)) ?? '{}').revision, 2);
  broker.down();
  bus.setSession(session(3));
  broker.up();
  await settle();
  t.equal(
    JSON.parse(broker.retained(topics.session(rig)) ?? '{}').revision,
    3,
    'one that was not delivered is',
  );
});

t.test('watches deliver what is retained, then changes; what does not fit is dropped', async (t) => {
  const broker = memoryBroker();
  const left = rigUp({ broker });
  const right = rigUp({ broker, node: 'CAM_R', service: 'api' });
  const got: unknown[] = [];
  right.bus.watchState('housekeeper', (node, seen) => got.push([node, seen.online]));
  right.bus.watchAvailability((node, { state }) => got.push([node, state]));
  right.bus.watchSession(({ revision }) => got.push(['session', revision]));
  right.bus.watchEvents((node, name: EventName, event) => got.push([node, name, event.v]));
  left.bus.setState('housekeeper', offloadState);
  left.bus.setAvailability('online');
  left.bus.setSession(session(1));
  await left.bus.start(signal);
  await left.settle();
  await right.bus.start(signal);
  await right.settle();
  t.same(got.splice(0), [
    ['CAM_L', true],
    ['CAM_L', 'online'],
    ['session', 1],
  ]);
  left.bus.emit('offload/finished', { session_uid: uid, session_id: 'GAME', part: 1 });
  left.bus.emit('offload/finished', { session_uid: uid, session_id: 'GAME', part: 1 });
  await left.settle();
  t.equal(got.splice(0).length, 2, 'the same event twice is two events');

  const mouth = stranger(broker, 'none');
  await left.settle();
  for (const payload of ['{', '{"v":1,"state":"maybe"}', ''])
    await mouth.say(topics.availability(rig, 'CAM_L'), payload);
  await mouth.say('touchline/pitch/not-a-camera/availability', { v: 1 });
  await mouth.say('touchline/pitch/CAM_L/event/no/such', { v: 1 });
  await left.settle();
  t.same(got.splice(0), [], 'dropped');
  broker.drop('pitch-CAM_R-api');
  await right.settle();
  t.same(
    got.splice(0),
    [['CAM_L', 'online']],
    'after a reconnect only what was taken back meanwhile comes again',
  );
  const stop = right.bus.watchStatus(() => got.push('status'));
  stop();
  await left.bus.stop();
  await right.settle();
  t.same(got.splice(0), [['CAM_L', false]]);
});

t.test('commands', async (t) => {
  const { bus, broker, clock, settle } = rigUp({ service: 'recorder' });
  const ran: string[] = [];
  let finish: () => void = () => undefined;
  bus.handle('stop', async (_input, context) => {
    ran.push(`${context.id} ${context.issuedBy} ${context.rigWide}`);
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return { camera_id: 'CAM_L', state: 'idle', session_uid: null };
  });
  bus.handle('start', async () => {
    throw new TypeError('secret detail');
  });
  await bus.start(signal);
  await settle();
  const client = stranger(broker, 'touchline/pitch/CAM_L/reply/+');
  await settle();
  const stop = topics.command(rig, 'CAM_L', 'stop');
  const orders = stranger(broker, stop);
  const replies = async () => {
    await settle();
    return client.heard.splice(0).map(({ topic, payload }) => {
      const reply = CommandReply.parse(JSON.parse(payload));
      t.equal(topic, topics.reply(rig, 'CAM_L', reply.id), 'the reply lies under its id');
      return reply.ok ? [reply.id, 'ok'] : [reply.id, reply.error.code, reply.error.field];
    });
  };

  await client.say(stop, { id: 'one', issued_by: 'me' });
  await client.say(stop, { id: 'one' });
  t.same(await replies(), [], 'no answer yet');
  finish();
  t.same(await replies(), [
    ['one', 'ok'],
    ['one', 'ok'],
  ]);
  await client.say(stop, { id: 'one' });
  t.same(await replies(), [['one', 'ok']], 'later too');
  t.same(ran.splice(0), ['one me false'], 'it ran once');

  await client.say(topics.command(rig, 'all', 'stop'), { id: 'two' });
  await settle();
  finish();
  t.same(await replies(), [['two', 'ok']], 'the rig-wide topic reaches it');
  t.same(ran.splice(0), ['two undefined true']);

  const past = toWireTime(clock.wallUs() - 1);
  await client.say(stop, { id: 'old', expires_at: past });
  await client.say(stop, '{"id": "half');
  await client.say(stop, { no: 'id' });
  await client.say(stop, { id: 'bad', session_uid: 'x' });
  await client.say(stop, { id: 'bad id' });
  await client.say('touchline/pitch/CAM_L/cmd/recorder/dance', { id: 'dance' });
  await client.say(stop, { id: 'kept' }, true);
  await client.say(stop, '');
  t.same(await replies(), [
    ['old', 'command_expired', undefined],
    ['invalid', 'invalid_json', undefined],
    ['invalid', 'invalid_field', 'id'],
    ['bad', 'invalid_field', 'session_uid'],
    ['invalid', 'invalid_field', 'id'],
    ['dance', 'command_unknown', undefined],
    ['kept', 'command_retained', undefined],
  ]);
  t.same(ran, [], 'none of them ran');
  t.equal(orders.heard.filter(({ payload }) => payload === '').length, 2, 'the retained one was taken back');
  await client.say(topics.command(rig, 'CAM_L', 'offload'), { id: 'other' });
  t.same(await replies(), [], 'commands of other services are not ours to answer');

  await client.say(topics.command(rig, 'CAM_L', 'start'), { id: 'boom', session_uid: uid, start_at: past });
  await settle();
  t.notMatch(client.heard[0]?.payload, 'secret');
  t.same(await replies(), [['boom', 'internal', undefined]]);
  await client.say(stop, { id: 'boom' });
  t.same(await replies(), [['boom', 'conflict', undefined]], 'an id is not reused for another command');

  await clock.advance(3_601_000);
  await client.say(stop, { id: 'one' });
  await settle();
  finish();
  await client.say(stop, { id: 'fresh' });
  await settle();
  t.equal(ran.length, 2, 'an id is remembered for an hour');
  finish();
  await settle();

  await client.say(stop, { id: 'slow' });
  await settle();
  const stopping = bus.stop();
  await client.say(stop, { id: 'late' });
  await settle();
  finish();
  await stopping;
  t.same((await replies()).slice(-2), [
    ['late', 'shutting_down', undefined],
    ['slow', 'ok'],
  ]);
  t.throws(() => bus.handle('stop', async () => ({}) as never), { code: 'internal' }, 'handled twice');
  t.throws(() => bus.handle('offload', async () => ({ queued: 0 })), { code: 'internal' }, 'not its own');
});

t.test('a clock that was never set does not expire commands', async (t) => {
  const { bus, broker, settle } = rigUp({ clock: manualClock(5_000_000) });
  bus.handle('offload', async () => ({ queued: 3 }));
  await bus.start(signal);
  const client = stranger(broker, 'touchline/pitch/CAM_L/reply/+');
  await settle();
  await client.say(topics.command(rig, 'CAM_L', 'offload'), { id: 'a', expires_at: '1970-01-01T00:00:01Z' });
  await settle();
  t.match(JSON.parse(client.heard[0]?.payload ?? '{}'), { ok: true, result: { queued: 3 } });
});

t.test('requests', async (t) => {
  const clock = manualClock();
  const broker = memoryBroker();
  const asks = rigUp({ broker, clock, node: 'CAM_C', service: 'sync-agent' as ServiceName });
  const answers = rigUp({ broker, clock });
  let heard = 0;
  answers.bus.handle('offload', async (input, context) => {
    heard++;
    if (input.session_uid)
      throw new TouchlineError('not_found', 'none', {
        field: 'session_uid',
      });
    return { queued: context.issuedBy === 'CAM_C/sync-agent' ? 7 : 0 };
  });
  t.rejects(
    asks.bus.request('CAM_L', 'offload', {}, { timeoutMs: 10, signal: AbortSignal.abort(new Error('no')) }),
    {
      message: 'no',
    },
  );
  await answers.bus.start(signal);
  await asks.bus.start(signal);
  await clock.advance(0);
  t.same(await asks.bus.request('CAM_L', 'offload', {}, { timeoutMs: 1000 }), { queued: 7 });
  t.same(
    await answers.bus.request('CAM_L', 'offload', {}, { timeoutMs: 1000 }),
    { queued: 0 },
    'to its own node',
  );
  await t.rejects(asks.bus.request('CAM_L', 'offload', { session_uid: uid }, { timeoutMs: 1000 }), {
    code: 'not_found',
    field: 'session_uid',
  });
  heard = 0;
  const both = await Promise.all(
    [1, 2].map(() => asks.bus.request('CAM_L', 'offload', {}, { timeoutMs: 1000, id: 'same' })),
  );
  t.same(both, [{ queued: 7 }, { queued: 7 }]);
  t.equal(heard, 1, 'one id runs once');

  const silent = asks.bus.request('CAM_R', 'offload', {}, { timeoutMs: 500 });
  silent.catch(() => undefined);
  await clock.advance(499);
  let over = false;
  silent.catch(() => {
    over = true;
  });
  await clock.advance(0);
  t.equal(over, false);
  await clock.advance(2);
  await t.rejects(silent, {
    code: 'peer_silent',
    message: /CAM_R did not answer housekeeper\/offload within 500 ms/,
  });
  const stop = new AbortController();
  const ended = asks.bus.request('CAM_R', 'offload', {}, { timeoutMs: 500, signal: stop.signal });
  stop.abort(new Error('given up'));
  await t.rejects(ended, { message: 'given up' });
  broker.down();
  await t.rejects(asks.bus.request('CAM_L', 'offload', {}, { timeoutMs: 500 }), {
    code: 'broker_unreachable',
  });
});

t.test(
  'a broker that dies before the reply: the own node is asked again on its socket, and works once',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tl-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const socketOf = (service: string): string => join(folder, `${service}.sock`);
    const answers = rigUp({ socketPath: socketOf('housekeeper') });
    const { broker, clock, settle } = answers;
    const asks = rigUp({ broker, clock, service: 'api', socketOf });
    const begun = Promise.withResolvers<void>();
    const work = Promise.withResolvers<{ queued: number }>();
    let ran = 0;
    answers.bus.handle('offload', async () => {
      ran++;
      begun.resolve();
      return work.promise;
    });
    await answers.bus.start(signal);
    await asks.bus.start(signal);
    t.teardown(() => Promise.all([asks.bus.stop(), answers.bus.stop()]));
    await settle();
    const asked = asks.bus.request('CAM_L', 'offload', {}, { timeoutMs: 10_000 });
    const other = asks.bus
      .request('CAM_R', 'offload', {}, { timeoutMs: 500 })
      .catch((error: unknown) => error);
    await settle();
    await begun.promise;
    broker.down();
    work.resolve({ queued: 3 });
    // As long as a reply by the broker is waited for, only the clock ends it.
    const late = new Promise<string>((resolve) => setTimeout(resolve, 1500, 'nothing').unref());
    t.same(await Promise.race([asked, late]), { queued: 3 });
    t.equal(ran, 1);
    await clock.advance(600);
    t.match(await other, { code: 'peer_silent' }, 'another node has no socket here');
  },
);
