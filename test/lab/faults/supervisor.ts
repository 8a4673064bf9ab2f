import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';

/** Between the end of a program and its next start, as the container engine's first pause. */
const PAUSE_MS = 100;
const STOP_GRACE_MS = 15_000;

/** A program that is started again whenever it ends, as `restart: always` does; what it started ends with it, as in a container. */
export interface Restarted {
  readonly name: string;
  /** While it runs. */
  readonly pid: number | undefined;
  readonly starts: number;
  stop(): Promise<void>;
}

export function restartAlways(name: string, command: readonly string[], logFile: string): Restarted {
  const [program = '', ...args] = command;
  const log = openSync(logFile, 'a');
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let starts = 0;

  const run = (): void => {
    starts++;
    // A process group for each, with a pipe that tells it when we are gone in whatever way.
    const started = spawn(program, args, {
      stdio: ['pipe', log, log],
      detached: true,
      env: { PATH: process.env.PATH },
    });
    child = started;
    started.stdin?.on('error', () => started.stdin?.destroy());
    started.once('exit', () => {
      endGroup(started.pid);
      if (!stopped) timer = setTimeout(run, PAUSE_MS);
    });
  };
  run();
  const alive = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    name,
    get pid() {
      return alive() ? child?.pid : undefined;
    },
    get starts() {
      return starts;
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      if (!child || !alive()) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const killer = setTimeout(() => child?.kill('SIGKILL'), STOP_GRACE_MS);
      await ended;
      clearTimeout(killer);
    },
  };
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // Nothing is left of it.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
