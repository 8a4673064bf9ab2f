import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { run } from './run.ts';

/**
 * A bridge in a network namespace of its own, for guests that talk to each other. The host's network knows nothing of it, and all of
 * it is gone with the lab.
 */
export interface Network {
  /** For `boot`: the namespace, as nsenter takes it. */
  readonly namespace: string;
  /** A new tap on the bridge; its name, for `boot`. */
  tap(): Promise<string>;
  /** Runs a program of the host inside, for example `tc`. */
  run(command: string, ...args: string[]): Promise<string>;
  close(): Promise<void>;
}

const holders = new Set<ChildProcess>();
process.on('exit', () => {
  for (const holder of holders) holder.kill('SIGKILL');
});

export async function createNetwork(): Promise<Network> {
  // The namespace lasts as long as a process is in it.
  const holder = spawn(
    'setpriv',
    ['--pdeathsig=KILL', 'unshare', '--net', 'sh', '-c', 'echo inside; exec sleep infinity'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  holders.add(holder);
  const ended = once(holder, 'close');
  await Promise.race([
    once(holder.stdout, 'data'),
    ended.then(() => {
      throw new Error('no network namespace could be made: root is needed');
    }),
  ]);
  const namespace = `/proc/${holder.pid}/ns/net`;
  const inside = async (command: string, ...args: string[]): Promise<string> =>
    (await run('nsenter', [`--net=${namespace}`, command, ...args])).stdout;
  let taps = 0;
  const network: Network = {
    namespace,
    async tap() {
      const name = `lab${taps++}`;
      await inside('ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap');
      await inside('ip', 'link', 'set', name, 'master', 'lab', 'up');
      return name;
    },
    run: inside,
    async close() {
      holder.kill('SIGKILL');
      await ended;
      holders.delete(holder);
    },
  };
  try {
    await inside('ip', 'link', 'add', 'lab', 'type', 'bridge', 'forward_delay', '0');
    await inside('ip', 'link', 'set', 'lab', 'up');
  } catch (error) {
    await network.close();
    throw error;
  }
  return network;
}
