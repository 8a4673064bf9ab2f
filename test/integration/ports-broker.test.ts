import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import t from 'tap';
import { type AedesBroker, aedesBroker } from '#ports/broker/aedes-broker.ts';
import type { BrokerConnection, BrokerPort } from '#ports/broker/broker.ts';
import { brokerConformance } from '#ports/broker/conformance.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';

const host = '127.0.0.1';
const signal = new AbortController().signal;

/** Name of the client in an MQTT 3.1.1 CONNECT packet whose length takes one byte or two. */
function clientIdOf(packet: Buffer): string {
  const body = packet.subarray((packet[1] ?? 0) & 0x80 ? 3 : 2);
  const length = body.readUInt16BE(10);
  return body.subarray(12, 12 + length).toString();
}

/** A TCP relay in front of a broker that can cut the connection of one client. */
async function relay(port: () => number) {
  const pairs = new Map<string, Socket>();
  const server = createServer((near) => {
    const far = dial(port(), host);
    near.once('data', (first: Buffer) => pairs.set(clientIdOf(first), near));
    near.pipe(far);
    far.pipe(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    sever: (clientId: string) => pairs.get(clientId)?.destroy(),
    close: () => server.close(),
  };
}

async function connected(connection: BrokerConnection): Promise<void> {
  await new Promise<void>((resolve) => connection.onConnected((now) => now && resolve()));
}

async function retainedOf(
  broker: BrokerPort,
  filter: string,
  count: number,
): Promise<Record<string, string>> {
  const connection = broker.connect({ clientId: `reader-${Math.random()}` });
  await connected(connection);
  const seen: Record<string, string> = {};
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`saw only ${JSON.stringify(seen)}`)), 5000);
    connection
      .subscribe(filter, ({ topic, payload }) => {
        seen[topic] = payload;
        if (Object.keys(seen).length < count) return;
        clearTimeout(timer);
        resolve();
      })
      .catch(reject);
  });
  await connection.close();
  return seen;
}

t.test('mqtt.js and aedes behave like a broker', async (t) => {
  const persistencePath = t.testdir();
  let aedes = aedesBroker({ host, port: 0, persistencePath });
  await aedes.start(signal);
  const front = await relay(() => aedes.port());
  await brokerConformance(t, {
    broker: mqttBroker({ host, port: front.port }),
    sever: front.sever,
    down: () => aedes.stop(),
    up: async () => {
      aedes = aedesBroker({ host, port: 0, persistencePath });
      await aedes.start(signal);
    },
  });
  await aedes.stop();
  front.close();
});

t.test('what the broker acknowledged survives kill -9, and the wills of that run count', async (t) => {
  const persistencePath = t.testdir();
  const program = `
    import { aedesBroker } from '#ports/broker/aedes-broker.ts';
    const broker = aedesBroker({ host: '${host}', port: 0, persistencePath: process.argv[1] });
    await broker.start(new AbortController().signal);
    console.log(broker.port());`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, persistencePath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = Number(String(((await once(child.stdout, 'data')) as [Buffer])[0]));
  const writer = mqttBroker({ host, port }).connect({
    clientId: 'writer',
    will: { topic: 'kept/here', payload: 'gone' },
  });
  await connected(writer);
  await writer.publish('kept/here', 'yes', { retain: true });
  await Promise.all(
    Array.from({ length: 200 }, (_, n) => writer.publish(`kept/${n % 20}`, String(n), { retain: true })),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  await writer.close();

  const next: AedesBroker = aedesBroker({ host, port: 0, persistencePath });
  await next.start(signal);
  const kept = await retainedOf(mqttBroker({ host, port: next.port() }), 'kept/#', 21);
  t.equal(kept['kept/here'], 'gone', 'who was connected to the killed broker is not shown as there');
  for (let n = 0; n < 20; n++) t.equal(kept[`kept/${n}`], String(180 + n), `the last of kept/${n}`);
  await next.stop();
});

t.test('a taken port and a taken folder have a name', async (t) => {
  const persistencePath = t.testdir();
  const first = aedesBroker({ host, port: 0, persistencePath });
  await first.start(signal);
  await t.rejects(aedesBroker({ host, port: first.port() }).start(signal), {
    code: 'conflict',
    message: /already listens/,
  });
  await t.rejects(aedesBroker({ host, port: 0, persistencePath }).start(signal), {
    code: 'conflict',
    message: /another broker already uses/,
  });
  await t.rejects(aedesBroker({ host, port: 0, persistencePath: '/dev/null/x' }).start(signal), {
    code: 'disk_failed',
  });
  await first.stop();
  t.throws(() => aedesBroker({ host, port: 0 }).port(), { code: 'internal' });
});

t.test('a publish whose connection breaks is refused, and not sent again later', async (t) => {
  // A broker that accepts the connection and the subscription, and never acknowledges a message.
  const received: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (data: Buffer) => {
      const kind = (data[0] ?? 0) >> 4;
      if (kind === 1) socket.write(Buffer.from([0x20, 2, 0, 0]));
      if (kind === 3) received.push(data.toString('latin1'));
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const connection = mqttBroker({ host, port: address.port }).connect({ clientId: 'a' });
  await connected(connection);
  const publishing = connection.publish('a', 'start', { retain: false });
  const refused = t.rejects(publishing, { code: 'broker_unreachable' });
  while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  sockets[0]?.destroy();
  await refused;
  let returned = false;
  connection.onConnected((now) => {
    returned = now;
  });
  while (!returned) await new Promise((resolve) => setTimeout(resolve, 5));
  connection.publish('b', 'marker', { retain: false }).catch(() => undefined);
  while (received.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  t.match(received[1], /marker/, 'the first message after the reconnect is a new one');
  for (const socket of sockets) socket.destroy();
  await connection.close();
  server.close();
});
