import { once } from 'node:events';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { bareClient } from '../measuring/bare-client.ts';

/**
 * The other end of the bus as a process: `responder.ts KIND PORT`. `bus` serves the recorder's `stop` through the bus, `bare`
 * sends back what it receives, with mqtt.js alone. Says `{ready}`; ends with stdin.
 */
const [kind, port = ''] = process.argv.slice(2);
const stop = kind === 'bus' ? await serveOnBus() : await echo();
process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await stop();

async function serveOnBus(): Promise<() => Promise<void>> {
  const bus = createBus({
    rig: 'bench',
    node: 'CAM_C',
    service: 'recorder',
    broker: mqttBroker({ host: '127.0.0.1', port: Number(port) }),
    clock: systemClock(),
    log: createLogger({ name: 'bench', level: 'error' }),
  });
  bus.handle('stop', async () => ({ camera_id: 'CAM_C', state: 'idle', session_uid: null }));
  await bus.start(new AbortController().signal);
  await new Promise<void>((resolve) => {
    bus.onConnected((connected) => connected && resolve());
  });
  return () => bus.stop();
}

async function echo(): Promise<() => Promise<void>> {
  const client = await bareClient(Number(port));
  await client.subscribeAsync('bench/ask', { qos: 1 });
  client.on('message', (_topic, payload) => {
    client.publishAsync('bench/answer', payload, { qos: 1 }).catch((error: unknown) => {
      throw error;
    });
  });
  return () => client.endAsync();
}
