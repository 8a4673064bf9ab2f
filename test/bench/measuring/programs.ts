import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

const STOP_GRACE_MS = 10_000;

/** A program of test/bench/programs (or of the product) that answers in lines of JSON. */
export interface BenchProgram {
  readonly pid: number;
  /** The next line of JSON that `fits`, those before it included. Rejects with its last words when it ends before. */
  answer<T>(fits: (line: Record<string, unknown>) => T | undefined): Promise<T>;
  ask(line: Record<string, unknown>): void;
  /** Closes its stdin, which ends it, and waits. */
  stop(): Promise<void>;
}

/** Starts a program of ours (absolute, or from the root of the repository) on this Node. It ends when its stdin closes, so also when we are gone. */
export function startProgram(
  path: string,
  args: readonly string[],
  speaksOn: 'stdout' | 'stderr' = 'stdout',
): BenchProgram {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, '../../..', path), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const lines: Record<string, unknown>[] = [];
  const words: string[] = [];
  let wake: () => void = () => undefined;
  const ended = once(child, 'close').then(() => wake());
  for (const name of ['stdout', 'stderr'] as const)
    createInterface(child[name]).on('line', (line) => {
      words.splice(0, words.length - 20, line);
      if (name !== speaksOn || !line.startsWith('{')) return;
      lines.push(JSON.parse(line) as Record<string, unknown>);
      wake();
    });
  return {
    pid: pidOf(child),
    async answer(fits) {
      for (;;) {
        while (lines.length > 0) {
          const found = fits(lines.shift() ?? {});
          if (found !== undefined) return found;
        }
        if (hasEnded(child)) throw new Error(`${path} ended too early:\n${words.join('\n')}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    ask: (line) => void child.stdin.write(`${JSON.stringify(line)}\n`),
    async stop() {
      if (!hasEnded(child)) child.stdin.end();
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}

const foreign = new Set<ChildProcess>();

/** Starts a program that does not notice when we are gone: after a signal it is ended with us. */
export function startForeign(command: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
  const child = spawn(command, args, { stdio });
  foreign.add(child);
  child.once('close', () => foreign.delete(child));
  return child;
}

/** Kills what `startForeign` started and still runs. */
export function killForeign(): void {
  for (const child of foreign) child.kill('SIGKILL');
}

/** Runs a foreign program to its end. Rejects with its last words when it fails. Returns what it printed. */
export async function runForeign(command: string, args: readonly string[]): Promise<string> {
  const child = startForeign(command, args, ['ignore', 'pipe', 'pipe']);
  let out = '';
  let words = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} failed (${code}): ${words}`);
  return out;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} could not be started`);
  return child.pid;
}
