import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Network } from '../machine/network.ts';
import type { Tick } from './said.ts';

/**
 * Sends a tick to all guests at once, by broadcast, and knows when: instants of the host's monotonic clock, microseconds. Where they arrive
 * differs by what the guests' kernels and programs take, a fraction of a millisecond on a quiet host.
 */
export interface Ticker {
  /** When each tick left, by its number. */
  readonly sentUs: ReadonlyMap<number, number>;
  send(tick: Omit<Tick, 'tick'>): void;
  stop(): Promise<void>;
}

const PROGRAM = `
  const socket = require('node:dgram').createSocket('udp4');
  const [address, port] = process.argv.slice(1);
  socket.bind(0, () => {
    socket.setBroadcast(true);
    require('node:readline').createInterface(process.stdin).on('line', (line) => {
      const sentUs = Number(process.hrtime.bigint() / 1000n);
      socket.send(line, Number(port), address);
      process.stdout.write(JSON.parse(line).tick + ' ' + sentUs + '\\n');
    }).on('close', () => socket.close());
    process.stdout.write('ready\\n');
  });
`;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startTicker(network: Network, address: string, port: number): Promise<Ticker> {
  const child = spawn(
    'nsenter',
    [`--net=${network.namespace}`, process.execPath, '-e', PROGRAM, address, String(port)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  running.add(child);
  const ended = once(child, 'close').then(() => running.delete(child));
  const sentUs = new Map<number, number>();
  let last = 0;
  const ready = Promise.withResolvers<void>();
  createInterface(child.stdout).on('line', (line) => {
    if (line === 'ready') return ready.resolve();
    const [tick, atUs] = line.split(' ').map(Number);
    if (tick !== undefined && atUs !== undefined) sentUs.set(tick, atUs);
  });
  await Promise.race([
    ready.promise,
    ended.then(() => {
      throw new Error('the ticker could not be started');
    }),
  ]);
  return {
    sentUs,
    send(tick) {
      child.stdin.write(`${JSON.stringify({ tick: ++last, ...tick })}\n`);
    },
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}
