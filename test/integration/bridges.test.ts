import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { CameraId, ServiceName } from '#contracts/ids.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { BrokerState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { topics } from '#contracts/topics.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import type { BrokerConnection } from '#ports/broker/broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { createBroker } from '#services/broker/service.ts';

const host = '127.0.0.1';
const signal = new AbortController().signal;
const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;
const LIMIT_MS = 15_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${LIMIT_MS} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, host));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    ports.push(address.port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  return ports;
}

/** Everything that is published on a broker, and what is retained there. */
async function ear(port: number, filter = 'touchline/#') {
  const connection = mqttBroker({ host, port }).connect({ clientId: `ear-${filter}` });
  const heard: { topic: string; payload: string }[] = [];
  const last = new Map<string, string>();
  await connection.subscribe(filter, (message) => {
    heard.push(message);
    last.set(message.topic, message.payload);
  });
  await new Promise<void>((resolve) => connection.onConnected((is) => is && resolve()));
  return {
    connection,
    heard,
    json: (topic: string) => JSON.parse(last.get(topic) ?? '{}'),
    count: (topic: string) => heard.filter((message) => message.topic === topic).length,
  };
}

interface Rig {
  readonly rig: string;
  readonly ports: Record<(typeof CAMERAS)[number], number>;
  readonly brokers: Map<CameraId, Unit>;
  config(camera: CameraId): NodeConfig;
  bus(camera: CameraId, service: ServiceName): Promise<Bus>;
  stop(): Promise<void>;
}

async function startRig(
  rig: string,
  folder: string,
  centralPort: number,
  without: CameraId[] = [],
): Promise<Rig> {
  const [left = 0, center = 0, right = 0] = await freePorts(3);
  const ports = { CAM_L: left, CAM_C: center, CAM_R: right };
  const config = (camera: CameraId): NodeConfig =>
    NodeConfig.parse({
      version: 1,
      rig,
      camera_id: camera,
      position: 'center',
      camera: { source: 'test-pattern' },
      state_dir: join(folder, rig, camera),
      broker: {
        host,
        port: ports[camera as 'CAM_L'],
        peers: CAMERAS.filter((other) => other !== camera).map((other) => ({
          camera_id: other,
          host,
          port: ports[other],
        })),
        central: { host, port: centralPort },
        queue_messages: 20,
      },
    });
  const brokers = new Map<CameraId, Unit>();
  const buses = new Map<string, Bus>();
  for (const camera of CAMERAS) {
    if (without.includes(camera)) continue;
    const unit = createBroker({ config: config(camera), clock, log });
    await unit.start(signal);
    brokers.set(camera, unit);
  }
  return {
    rig,
    ports,
    brokers,
    config,
    async bus(camera, service) {
      const known = buses.get(`${camera} ${service}`);
      if (known) return known;
      const bus = createBus({
        rig,
        node: camera,
        service,
        broker: mqttBroker({ host, port: ports[camera as 'CAM_L'] }),
        clock,
        log,
      });
      buses.set(`${camera} ${service}`, bus);
      await bus.start(signal);
      await until(() => bus.connected, `${service} on ${camera}`);
      return bus;
    },
    async stop() {
      for (const bus of buses.values()) await bus.stop();
      for (const unit of brokers.values()) await unit.stop();
    },
  };
}

async function startCentral(port: number, persistencePath: string) {
  const central = aedesBroker({ host, port, persistencePath });
  await central.start(signal);
  return central;
}

/** All links of all nodes of the rig that run here are up. */
async function linked(rig: Rig): Promise<void> {
  for (const camera of rig.brokers.keys()) {
    const { connection, json } = await ear(
      rig.ports[camera as 'CAM_L'],
      topics.state(rig.rig, camera, 'broker'),
    );
    await until(() => {
      const { links = [] } = json(topics.state(rig.rig, camera, 'broker')) as Partial<BrokerState>;
      return links.length === 3 && links.every((link) => link.connected);
    }, `the links of ${camera}`);
    await connection.close();
  }
}

function session(rig: string, uid: string, revision: number, conductor: CameraId): RigSession {
  return {
    v: 1,
    session_uid: uid,
    session_id: rig,
    revision,
    state: 'recording',
    conductor,
    start_at: null,
    stop_at: null,
    max_duration_sec: 60,
    cameras: [],
    updated_at: toWireTime(clock.wallUs()),
  };
}

const close = async (...ears: { connection: BrokerConnection }[]): Promise<void> => {
  for (const { connection } of ears) await connection.close();
};

t.test('three nodes and central', async (t) => {
  const folder = t.testdir();
  const [centralPort = 0] = await freePorts(1);
  let central = await startCentral(centralPort, join(folder, 'central'));
  const rig = await startRig('pitch', folder, centralPort);
  await linked(rig);
  const everywhere = await Promise.all([...Object.values(rig.ports), centralPort].map((port) => ear(port)));
  const [left, center, right, atCentral] = everywhere as [
    Awaited<ReturnType<typeof ear>>,
    Awaited<ReturnType<typeof ear>>,
    Awaited<ReturnType<typeof ear>>,
    Awaited<ReturnType<typeof ear>>,
  ];

  await t.test('what a node says is heard everywhere, once', async (t) => {
    for (const place of everywhere)
      for (const camera of CAMERAS)
        await until(
          () => place.json(topics.availability('pitch', camera)).state === 'online',
          `${camera} online everywhere`,
        );
    const bus = await rig.bus('CAM_L', 'housekeeper');
    const state = topics.state('pitch', 'CAM_L', 'housekeeper');
    bus.setState('housekeeper', { offload: [], recovering: false });
    const event = topics.event('pitch', 'CAM_L', 'offload/finished');
    const uid = '01HS0000000000000000000000';
    for (let part = 1; part <= 5; part++)
      bus.emit('offload/finished', { session_uid: uid, session_id: 'GAME', part });
    for (const place of everywhere) {
      await until(() => place.json(state).online === true, 'the state');
      await until(() => place.count(event) === 5, 'the events');
      t.same(
        place.heard.filter(({ topic }) => topic === event).map(({ payload }) => JSON.parse(payload).part),
        [1, 2, 3, 4, 5],
      );
      t.equal(place.count(state), 1);
    }
    const late = await ear(rig.ports.CAM_R, state);
    await until(() => late.json(state).run_id === bus.runId, 'the state, retained at a peer');
    await close(late);
  });

  await t.test('commands go to the node they name, and to all, once', async (t) => {
    const runs: string[] = [];
    const recorders = [];
    for (const camera of CAMERAS) {
      const bus = await rig.bus(camera, 'recorder');
      bus.handle('stop', async (_input, { id, rigWide }) => {
        runs.push(`${camera} ${id} ${rigWide}`);
        return { camera_id: camera, state: 'idle', session_uid: null };
      });
      recorders.push(bus);
    }
    const keeper = await rig.bus('CAM_R', 'housekeeper');
    keeper.handle('offload', async () => ({ queued: 5 }));
    const asking = await rig.bus('CAM_C', 'sync-agent');

    const answer = await asking.request('CAM_R', 'stop', {}, { timeoutMs: 5000, id: 'one' });
    t.same(answer, { camera_id: 'CAM_R', state: 'idle', session_uid: null }, 'a rig command reaches a peer');
    t.same(runs.splice(0), ['CAM_R one false']);

    await t.rejects(asking.request('CAM_R', 'offload', {}, { timeoutMs: 300 }), { code: 'peer_silent' });
    const counted = () =>
      (center.json(topics.state('pitch', 'CAM_C', 'broker')) as BrokerState).links.find(
        ({ name }) => name === 'CAM_R',
      )?.commands_dropped;
    await until(() => counted() === 1, 'the refused command to be counted');
    t.equal(
      await keeper.request('CAM_R', 'offload', {}, { timeoutMs: 5000 }).then(({ queued }) => queued),
      5,
    );

    await left.connection.publish(topics.command('pitch', 'all', 'stop'), '{"id":"everybody"}', {
      retain: false,
    });
    for (const place of everywhere)
      for (const camera of CAMERAS)
        await until(
          () => place.count(topics.reply('pitch', camera, 'everybody')) === 1,
          'each reply everywhere',
        );
    t.same(runs.splice(0).sort(), ['CAM_C everybody false', 'CAM_L everybody true', 'CAM_R everybody false']);

    await atCentral.connection.publish(topics.command('pitch', 'CAM_R', 'offload'), '{"id":"from-above"}', {
      retain: false,
    });
    const reply = topics.reply('pitch', 'CAM_R', 'from-above');
    await until(() => atCentral.json(reply).ok === true, 'the reply at central');
    await atCentral.connection.publish(topics.command('pitch', 'all', 'stop'), '{"id":"all-from-above"}', {
      retain: false,
    });
    await until(() => runs.length === 3, 'three nodes to obey central');
    t.same(runs.splice(0).sort(), CAMERAS.map((camera) => `${camera} all-from-above false`).sort());

    await left.connection.publish(topics.command('pitch', 'CAM_C', 'stop'), '{"id":"kept"}', {
      retain: true,
    });
    await left.connection.publish(topics.command('pitch', 'CAM_C', 'stop'), '{"id":"next"}', {
      retain: false,
    });
    await until(() => runs.length > 0, 'the command after the retained one');
    t.same(runs.splice(0), ['CAM_C next false'], 'a retained command does not pass');

    // Nothing is left that could still go in circles: each place has seen each command topic a fixed number of times.
    const commandsAt = (place: typeof left) =>
      place.heard.filter(({ topic, payload }) => topic.includes('/cmd/') && payload.includes('everybody'))
        .length;
    t.same(
      everywhere.map(commandsAt),
      [1, 1, 1, 0],
      'left has it on "all", the others on their own topic, central not at all',
    );
    t.equal(recorders.length, 3);
  });

  await t.test('what was said while central was away arrives when it is back; commands do not', async (t) => {
    const emitter = await rig.bus('CAM_L', 'recorder');
    const uid = '01HS0000000000000000000001';
    for (const camera of CAMERAS)
      await until(
        () => atCentral.count(topics.reply('pitch', camera, 'all-from-above')) === 1,
        'the last replies to be out of the queues',
      );
    await close(atCentral);
    await central.stop();
    const link = () =>
      (left.json(topics.state('pitch', 'CAM_L', 'broker')) as BrokerState).links.find(
        ({ name }) => name === 'central',
      );
    await until(() => link()?.connected === false, 'the link to be seen down');
    for (let part = 1; part <= 25; part++)
      emitter.emit('recording/finished', {
        session_uid: uid,
        session_id: 'AWAY',
        part,
        manifest: 'm.json',
        recovered: false,
      });
    await until(() => link()?.dropped === 5, 'the oldest five of twenty-five to be dropped and counted');
    t.ok((link()?.queued ?? 0) >= 20, 'the others wait');

    central = await startCentral(centralPort, join(folder, 'central'));
    const back = await ear(centralPort);
    const event = topics.event('pitch', 'CAM_L', 'recording/finished');
    await until(() => back.count(event) >= 20, 'the events at central');
    t.same(
      back.heard.filter(({ topic }) => topic === event).map(({ payload }) => JSON.parse(payload).part),
      Array.from({ length: 20 }, (_, n) => n + 6),
      'in order, the oldest gone',
    );
    for (const camera of CAMERAS)
      await until(
        () => back.json(topics.availability('pitch', camera)).state === 'online',
        `${camera} online again`,
      );
    await until(() => link()?.connected === true && link()?.queued === 0, 'the link to be seen up');
    await close(back);
  });

  await t.test('a node that stops is offline everywhere, and its last states with it', async (t) => {
    const last = rig.brokers.get('CAM_R');
    await close(right);
    await last?.stop();
    rig.brokers.delete('CAM_R');
    await until(() => left.json(topics.availability('pitch', 'CAM_R')).state === 'offline', 'CAM_R offline');
    const link = () =>
      (left.json(topics.state('pitch', 'CAM_L', 'broker')) as BrokerState).links.find(
        ({ name }) => name === 'CAM_R',
      );
    await until(() => link()?.connected === false, 'the link to CAM_R to be down');
    const asking = await rig.bus('CAM_L', 'sync-agent');
    const before = link()?.commands_dropped ?? 0;
    await asking.request('CAM_R', 'stop', {}, { timeoutMs: 200 }).catch(() => undefined);
    await until(() => link()?.commands_dropped === before + 1, 'the command to be dropped and counted');
    t.equal(left.json(topics.state('pitch', 'CAM_R', 'broker')).online, false, 'its broker said goodbye');
  });

  await close(left, center);
  await rig.stop();
  await central.stop();
});

t.test('the session record settles at the newest, without endless exchange', async (t) => {
  const folder = t.testdir();
  const [centralPort = 0] = await freePorts(1);
  const central = await startCentral(centralPort, join(folder, 'central'));
  const rigs = [await startRig('one', folder, centralPort), await startRig('two', folder, centralPort)];
  for (const rig of rigs) {
    await linked(rig);
    const topic = topics.session(rig.rig);
    const places = await Promise.all(
      [...Object.values(rig.ports), centralPort].map((port) => ear(port, topic)),
    );
    const writers = [];
    for (const camera of CAMERAS) writers.push(await rig.bus(camera, 'sync-agent'));
    // All three write at once: sessions of their own, then revisions of the one that wins.
    const uids = ['01HS0000000000000000000001', '01HS0000000000000000000002', '01HS0000000000000000000003'];
    for (const [index, writer] of writers.entries())
      writer.setSession(session(rig.rig, uids[index] ?? '', 1, CAMERAS[index] ?? 'CAM_L'));
    for (const [index, writer] of writers.entries())
      writer.setSession(session(rig.rig, uids[2] ?? '', 2 + index, CAMERAS[index] ?? 'CAM_L'));
    const settled = () =>
      places.every(({ json }) => json(topic).session_uid === uids[2] && json(topic).revision === 4);
    await until(settled, 'everybody to agree');

    // Quiet is that a whole second passes without a message; an endless exchange never gets there.
    const total = () => places.reduce((sum, { heard }) => sum + heard.length, 0);
    let before = -1;
    const end = Date.now() + LIMIT_MS;
    while (before !== total() && Date.now() < end) {
      before = total();
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    t.equal(total(), before, 'nothing is exchanged any more');
    t.comment(`messages at left, center, right, central: ${places.map(({ heard }) => heard.length)}`);
    // Six records, brought to each of four places by three writers.
    t.ok(total() <= 6 * 3 * places.length, `${total()} messages`);
    t.ok(settled());
    await close(...places);
  }
  for (const rig of rigs) await rig.stop();
  await central.stop();
});

t.test('a node killed with -9 is offline at its peers, and comes back with what it had', async (t) => {
  const folder = t.testdir();
  const [centralPort = 0] = await freePorts(1);
  const central = await startCentral(centralPort, join(folder, 'central'));
  const rig = await startRig('pitch', folder, centralPort, ['CAM_R']);
  const file = join(folder, 'right.yaml');
  writeFileSync(file, JSON.stringify({ ...rig.config('CAM_R'), log_level: 'error' }));
  const run = (): ChildProcess =>
    spawn(process.execPath, ['services/broker/main.ts', '--config', file, '--until-stdin-closes'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
  const left = await ear(rig.ports.CAM_L);
  const atCentral = await ear(centralPort);
  const availability = topics.availability('pitch', 'CAM_R');
  const both = (state: string) => () =>
    [left, atCentral].every(({ json }) => json(availability).state === state);

  let child = run();
  await until(both('online'), 'the child online at its peers');
  const bus = await rig.bus('CAM_R', 'housekeeper');
  bus.setState('housekeeper', { offload: [], recovering: true });
  const state = topics.state('pitch', 'CAM_R', 'housekeeper');
  await until(() => left.json(state).recovering === true, 'its state at a peer');
  const own = await ear(rig.ports.CAM_R);
  await own.connection.publish(
    topics.session('pitch'),
    JSON.stringify(session('pitch', '01HS0000000000000000000009', 1, 'CAM_R')),
    {
      retain: true,
    },
  );
  await until(() => left.json(topics.session('pitch')).revision === 1, 'the session at a peer');
  await close(own);

  child.kill('SIGKILL');
  await once(child, 'exit');
  await until(both('offline'), 'the killed node offline at its peers');
  t.pass('offline at peer and central');

  // The peer's record goes on meanwhile; the node gets it when it is back, and does not overwrite it.
  await left.connection.publish(
    topics.session('pitch'),
    JSON.stringify(session('pitch', '01HS0000000000000000000009', 2, 'CAM_L')),
    {
      retain: true,
    },
  );
  child = run();
  await until(both('online'), 'the child online again');
  await until(() => bus.connected, 'its service to reconnect');
  const after = await ear(rig.ports.CAM_R);
  await until(() => after.json(topics.session('pitch')).revision === 2, 'the newer session at the node');
  await until(() => after.json(state).recovering === true, 'the state of the service that went on');
  t.equal(
    left.json(topics.session('pitch')).revision,
    2,
    'its older record was not pushed over the newer one',
  );
  await close(after, left, atCentral);
  child.stdin?.end();
  const [code] = await once(child, 'exit');
  t.equal(code, 0, 'ends cleanly when its parent goes');
  await rig.stop();
  await central.stop();
});
