import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ulid } from 'ulid';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { bareClient } from './measuring/bare-client.ts';
import { environment } from './measuring/environment.ts';
import { percentile, ratios, rounded, spread } from './measuring/figures.ts';
import { inTempFolder } from './measuring/folder.ts';
import { hasEnded, startForeign, startProgram } from './measuring/programs.ts';

export const about =
  'Round trip of a command over the bus and its broker, against bare mqtt.js on the same broker and on mosquitto';

/** Requests one after the other; with the default of ten rounds 2000 of each kind. */
const REQUESTS_A_ROUND = 200;
const WARM_UP_REQUESTS = 200;
const NEED_BYTES = 100 * 2 ** 20;
const REQUEST_TIMEOUT_MS = 10_000;
const MOSQUITTO_PATIENCE_MS = 5000;
const RESPONDER = 'test/bench/programs/responder.ts';
/** Debian puts it where only root looks. */
const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/usr/bin/mosquitto'];

/** One way to ask and be answered. */
interface Way {
  ask(): Promise<void>;
  stop(): Promise<void>;
}

export async function run({
  rounds = 10,
  log,
}: {
  rounds?: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const before = environment();
  return inTempFolder(NEED_BYTES, async (folder) => {
    const persistence = join(folder, 'messages');
    await mkdir(persistence);
    const aedes = startProgram('test/bench/programs/broker.ts', [persistence]);
    const ways = new Map<string, Way>();
    let mosquitto: Awaited<ReturnType<typeof startMosquitto>>;
    try {
      const port = await aedes.answer((line) => line.port as number | undefined);
      ways.set('bus', await bus(port));
      ways.set('bare mqtt.js, same broker', await bare(port));
      mosquitto = await startMosquitto(folder);
      if (mosquitto) ways.set('bare mqtt.js, mosquitto', await bare(mosquitto.port));
      else log('mosquitto is not installed: not measured');
      const times = await measure(ways, rounds, log);
      return { environment: before, ...figures(times), mosquitto: mosquitto ? 'measured' : 'not installed' };
    } finally {
      for (const way of ways.values()) await way.stop();
      await mosquitto?.stop();
      await aedes.stop();
    }
  });
}

/** Milliseconds of each request, by way and round. */
async function measure(
  ways: ReadonlyMap<string, Way>,
  rounds: number,
  log: (line: string) => void,
): Promise<Map<string, number[][]>> {
  const times = new Map<string, number[][]>();
  for (const [name, way] of ways) {
    for (let request = 0; request < WARM_UP_REQUESTS; request++) await way.ask();
    times.set(name, []);
  }
  for (let round = 1; round <= rounds; round++) {
    log(`round ${round} of ${rounds} …`);
    for (const [name, way] of ways) {
      const round: number[] = [];
      for (let request = 0; request < REQUESTS_A_ROUND; request++) {
        const before = performance.now();
        await way.ask();
        round.push(performance.now() - before);
      }
      times.get(name)?.push(round);
    }
  }
  return times;
}

function figures(times: ReadonlyMap<string, number[][]>): Record<string, unknown> {
  const of = (name: string, percent: number): number[] =>
    (times.get(name) ?? []).map((round) => percentile(round, percent));
  const result: Record<string, unknown> = {
    what: 'milliseconds from the request to its answer, one after the other, QoS 1, three processes on loopback',
    peer: 'mqtt.js publishes as many bytes, a second mqtt.js publishes them back; TCP_NODELAY everywhere, mosquitto keeps nothing on disk',
  };
  for (const [name, rounds] of times) {
    const all = rounds.flat();
    result[name] = {
      requests: all.length,
      p50_ms: rounded(percentile(all, 50)),
      p99_ms: rounded(percentile(all, 99)),
      p50_of_rounds_ms: spread(of(name, 50)),
    };
    if (name === 'bus') continue;
    result[`ratio of p50, bus to ${name}`] = ratios(of('bus', 50), of(name, 50));
    result[`ratio of p99, bus to ${name}`] = ratios(of('bus', 99), of(name, 99));
  }
  return result;
}

async function bus(port: number): Promise<Way> {
  const other = startProgram(RESPONDER, ['bus', String(port)]);
  await other.answer(({ ready }) => ready);
  const own = createBus({
    rig: 'bench',
    node: 'CAM_C',
    service: 'api',
    broker: mqttBroker({ host: '127.0.0.1', port }),
    clock: systemClock(),
    log: createLogger({ name: 'bench', level: 'error' }),
  });
  await own.start(new AbortController().signal);
  await new Promise<void>((resolve) => {
    own.onConnected((connected) => connected && resolve());
  });
  return {
    async ask() {
      await own.request('CAM_C', 'stop', {}, { timeoutMs: REQUEST_TIMEOUT_MS });
    },
    async stop() {
      await own.stop();
      await other.stop();
    },
  };
}

async function bare(port: number): Promise<Way> {
  const other = startProgram(RESPONDER, ['bare', String(port)]);
  await other.answer(({ ready }) => ready);
  const client = await bareClient(port);
  await client.subscribeAsync('bench/answer', { qos: 1 });
  let expected = '';
  let answered: () => void = () => undefined;
  client.on('message', (_topic, payload) => {
    if (payload.toString() === expected) answered();
  });
  return {
    async ask() {
      // As long as what the bus sends.
      expected = JSON.stringify({ v: 1, id: ulid(), issued_by: 'bench/CAM_C/api' });
      const answer = new Promise<void>((resolve) => {
        answered = resolve;
      });
      await Promise.all([client.publishAsync('bench/ask', expected, { qos: 1 }), answer]);
    },
    async stop() {
      await client.endAsync();
      await other.stop();
    },
  };
}

/** Undefined when it is not installed. */
async function startMosquitto(folder: string): Promise<{ port: number; stop(): Promise<void> } | undefined> {
  const program = MOSQUITTO.find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const port = await freePort();
  const configuration = join(folder, 'mosquitto.conf');
  await writeFile(
    configuration,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n`,
  );
  const child = startForeign(program, ['-c', configuration], 'ignore');
  const ended = once(child, 'close');
  const stop = async (): Promise<void> => {
    if (!hasEnded(child)) child.kill('SIGTERM');
    await ended;
  };
  try {
    await listening(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, stop };
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  const deadline = performance.now() + MOSQUITTO_PATIENCE_MS;
  for (;;) {
    if (hasEnded(child)) throw new Error(`mosquitto ended at once (${child.exitCode})`);
    const there = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      }).once('error', () => resolve(false));
    });
    if (there) return;
    if (performance.now() > deadline)
      throw new Error(`mosquitto does not listen after ${MOSQUITTO_PATIENCE_MS} ms`);
    await wait(50);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
