import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { CommandReply } from '#contracts/commands.ts';
import { HousekeeperState } from '#contracts/states.ts';
import { filters, topics } from '#contracts/topics.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';

const host = '127.0.0.1';
const signal = new AbortController().signal;

/** Runs a mosquitto client to its end; the lines it wrote. */
async function mosquitto(program: 'mosquitto_sub' | 'mosquitto_pub', port: number, ...args: string[]) {
  const child = spawn(program, ['-h', host, '-p', String(port), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  return out.split('\n').filter((line) => line !== '');
}

t.test('a foreign client sees states and gets a reply', async (t) => {
  const broker = aedesBroker({ host, port: 0 });
  await broker.start(signal);
  const port = broker.port();
  const bus = createBus({
    rig: 'pitch',
    node: 'CAM_L',
    service: 'housekeeper',
    broker: mqttBroker({ host, port }),
    clock: systemClock(),
    log: createLogger({ name: 'test', level: 'silent' }),
  });
  const ran: string[] = [];
  bus.handle('offload', async (_input, { id }) => {
    ran.push(id);
    return { queued: 4 };
  });
  bus.setState('housekeeper', { offload: [], recovering: false });
  bus.setAvailability('online');
  await bus.start(signal);
  await new Promise<void>((resolve) => bus.onConnected((is) => is && resolve()));
  // One round trip behind the state and the availability, both are on the broker.
  await bus.request('CAM_L', 'offload', {}, { timeoutMs: 5000, id: 'first' });

  const lines = await mosquitto('mosquitto_sub', port, '-t', filters.everything, '-v', '-C', '2', '-W', '10');
  const seen = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
  const state = HousekeeperState.parse(
    JSON.parse(seen.get(topics.state('pitch', 'CAM_L', 'housekeeper')) ?? '{}'),
  );
  t.equal(state.run_id, bus.runId);
  t.ok(seen.has(topics.availability('pitch', 'CAM_L')));

  // Nothing says when mosquitto_sub listens, so the command is sent until its reply is heard; it runs once.
  const ask = async (id: string, ...flags: string[]) => {
    const reply = mosquitto(
      'mosquitto_sub',
      port,
      '-t',
      topics.reply('pitch', 'CAM_L', id),
      '-C',
      '1',
      '-W',
      '10',
    );
    let heard = false;
    const listening = reply.finally(() => {
      heard = true;
    });
    const command = topics.command('pitch', 'CAM_L', 'offload');
    while (!heard)
      await mosquitto(
        'mosquitto_pub',
        port,
        '-t',
        command,
        '-q',
        '1',
        '-m',
        JSON.stringify({ id }),
        ...flags,
      );
    const [line = ''] = await listening;
    return CommandReply.parse(JSON.parse(line));
  };
  t.same(await ask('by-hand'), { v: 1, id: 'by-hand', ok: true, result: { queued: 4 } });
  t.match(
    await ask('kept', '-r'),
    { ok: false, error: { code: 'command_retained' } },
    'a retained command is refused',
  );
  t.same(ran, ['first', 'by-hand']);
  await bus.stop();
  await broker.stop();
});
