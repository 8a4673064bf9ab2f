import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { CommandReply } from '#contracts/commands.ts';
import { topics } from '#contracts/topics.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';

const run = promisify(execFile);
const host = '127.0.0.1';
const signal = new AbortController().signal;
const log = createLogger({ name: 'test', level: 'silent' });

/** Below the system's folder: the path of a socket must be short. */
function socketFolder(t: { teardown(end: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tl-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

function makeBus(port: number, socketPath: string, service: 'housekeeper' | 'recorder' = 'housekeeper') {
  return createBus({
    rig: 'pitch',
    node: 'CAM_L',
    service,
    broker: mqttBroker({ host, port }),
    clock: systemClock(),
    log,
    socketPath,
  });
}

/** What curl gets from a command on the socket: status and reply. */
async function call(
  socketPath: string,
  path: string,
  body: string,
): Promise<{ status: number; reply: CommandReply }> {
  const { stdout } = await run('curl', [
    '-sS',
    '--unix-socket',
    socketPath,
    '-w',
    '\n%{http_code}',
    '-d',
    body,
    `http://node${path}`,
  ]);
  const [text = '', status] = stdout.split('\n');
  return { status: Number(status), reply: CommandReply.parse(JSON.parse(text)) };
}

t.test('the socket serves the same commands, with the broker and without', async (t) => {
  const broker = aedesBroker({ host, port: 0 });
  await broker.start(signal);
  const socketPath = join(socketFolder(t), 'run', 'housekeeper.sock');
  const bus = makeBus(broker.port(), socketPath);
  const ran: string[] = [];
  bus.handle('offload', async (_input, { id, rigWide }) => {
    ran.push(`${id} ${rigWide}`);
    return { queued: ran.length };
  });
  await bus.start(signal);
  await new Promise<void>((resolve) => bus.onConnected((is) => is && resolve()));
  t.equal(statSync(socketPath).mode & 0o777, 0o660, 'owner and group only');

  t.same(await bus.request('CAM_L', 'offload', {}, { timeoutMs: 5000, id: 'same' }), { queued: 1 });
  const offload = '/cmd/housekeeper/offload';
  t.same(
    await call(socketPath, offload, '{"id":"same"}'),
    { status: 200, reply: { v: 1, id: 'same', ok: true, result: { queued: 1 } } },
    'an id that ran over MQTT does not run again here',
  );
  await broker.stop();
  await new Promise<void>((resolve) => bus.onConnected((is) => !is && resolve()));
  await t.rejects(bus.request('CAM_L', 'offload', {}, { timeoutMs: 500 }), { code: 'broker_unreachable' });
  t.same(
    await call(socketPath, offload, '{"id":"alone"}'),
    { status: 200, reply: { v: 1, id: 'alone', ok: true, result: { queued: 2 } } },
    'it works while the broker is dead',
  );
  t.same(ran, ['same false', 'alone false']);

  const refused = async (path: string, body: string) => {
    const { status, reply } = await call(socketPath, path, body);
    return [status, reply.id, reply.ok ? 'ok' : reply.error.code];
  };
  t.same(await refused(offload, '{"id":"x","session_uid":"no"}'), [400, 'x', 'invalid_field']);
  t.same(await refused(offload, '{"id"'), [400, 'invalid', 'invalid_json']);
  t.same(await refused(offload, ''), [400, 'invalid', 'invalid_json']);
  t.same(await refused(offload, '{"id":"y","expires_at":"2020-01-01T00:00:00Z"}'), [
    408,
    'y',
    'command_expired',
  ]);
  t.same(await refused('/cmd/recorder/start', '{"id":"z"}'), [404, 'z', 'command_unknown']);
  await bus.stop();
  t.equal(existsSync(socketPath), false, 'the socket is gone with the service');
});

t.test('a socket left by a killed program is taken over, one that is served is not', async (t) => {
  const socketPath = join(socketFolder(t), 'housekeeper.sock');
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => console.log('up'))`,
  ]);
  await once(child.stdout, 'data');
  const bus = makeBus(1, socketPath);
  await t.rejects(bus.start(signal), { code: 'conflict', message: /already answers/ });
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.equal(existsSync(socketPath), true, 'it left its file behind');
  const next = makeBus(1, socketPath);
  next.handle('offload', async () => ({ queued: 0 }));
  await next.start(signal);
  t.equal((await call(socketPath, '/cmd/housekeeper/offload', '{"id":"a"}')).status, 200);
  t.equal(next.connected, false, 'and it started without a broker');
  await next.stop();
  await t.rejects(makeBus(1, `/tmp/${'x'.repeat(120)}`).start(signal), { code: 'configuration_invalid' });
});

t.test('a broker that comes late or restarts gets what was said', async (t) => {
  const free = createServer().listen(0, host);
  await once(free, 'listening');
  const address = free.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const { port } = address;
  free.close();
  await once(free, 'close');

  const bus = makeBus(port, join(socketFolder(t), 'a.sock'));
  await bus.start(signal);
  const topic = topics.state('pitch', 'CAM_L', 'housekeeper');
  for (const recovering of [true, true, false]) {
    bus.setState('housekeeper', { offload: [], recovering });
    const broker = aedesBroker({ host, port });
    await broker.start(signal);
    const reader = mqttBroker({ host, port }).connect({ clientId: 'reader' });
    const state = await new Promise<unknown>((resolve) => {
      void reader.subscribe(topic, ({ payload }) => resolve(JSON.parse(payload)));
    });
    t.match(
      state,
      { online: true, recovering, run_id: bus.runId },
      'the state, although this broker knew nothing',
    );
    await reader.close();
    await broker.stop();
    await new Promise<void>((resolve) => bus.onConnected((is) => !is && resolve()));
  }
  await bus.stop();
});
