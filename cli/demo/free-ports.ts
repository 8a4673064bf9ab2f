import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { TouchlineError } from '#contracts/errors.ts';

/** Below what Linux gives to outgoing connections (32768 and up), so that none takes a port we are about to use. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const TRIES = 200;

/** `count` different TCP ports on 127.0.0.1 that nobody listens on. */
export function freePorts(count: number): Promise<number[]> {
  return findFree(count, isFreeTcp);
}

/** The same for UDP. */
export function freeUdpPorts(count: number): Promise<number[]> {
  return findFree(count, isFreeUdp);
}

async function findFree(count: number, isFree: (port: number) => Promise<boolean>): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; tries < TRIES && ports.size < count; tries++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  if (ports.size < count)
    throw new TouchlineError(
      'conflict',
      `no ${count} free ports between ${LOWEST} and ${HIGHEST} on 127.0.0.1`,
    );
  return [...ports];
}

async function isFreeTcp(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host: '127.0.0.1', port, exclusive: true });
    await once(server, 'listening');
  } catch {
    // Taken: that is the answer.
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function isFreeUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind({ address: '127.0.0.1', port, exclusive: true });
    await once(socket, 'listening');
  } catch {
    // Taken: that is the answer.
    return false;
  } finally {
    socket.close();
  }
  await once(socket, 'close');
  return true;
}
