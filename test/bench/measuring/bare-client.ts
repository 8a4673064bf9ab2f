import { Socket } from 'node:net';
import { connectAsync, type MqttClient } from 'mqtt';

/** mqtt.js and nothing else, at its best: as it comes, Nagle's algorithm makes it wait 40 ms for each message. */
export async function bareClient(port: number): Promise<MqttClient> {
  const client = await connectAsync({ host: '127.0.0.1', port, protocolVersion: 4 });
  if (!(client.stream instanceof Socket)) throw new Error('mqtt.js is not connected over TCP');
  client.stream.setNoDelay(true);
  return client;
}
