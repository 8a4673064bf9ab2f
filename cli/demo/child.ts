import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface ChildSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
}

export type ChildState = 'running' | 'waiting to start again' | 'stopped';

export interface SupervisedChild {
  readonly name: string;
  readonly logFile: string;
  readonly state: ChildState;
  /** Process id while it runs. */
  readonly pid: number | undefined;
  readonly restarts: number;
  /** What it said when it last ended, or undefined. */
  readonly lastEnd: string | undefined;
  start(): void;
  /** Asks it to end, kills it when it does not, and waits. */
  stop(): Promise<void>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** Up this long counts as healthy: the next restart comes at once again. */
const HEALTHY_MS = 30_000;
/** A node closes its files, uploads end, a private database shuts down. */
const STOP_GRACE_MS = 15_000;
const LOG_TAIL_BYTES = 20_000;

/**
 * A program that is started again when it ends by itself, after a pause that doubles. It ends with us: its stdin is a
 * pipe that closes when this process dies in whatever way.
 */
export function superviseChild(spec: ChildSpec, onChange: (child: SupervisedChild) => void): SupervisedChild {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let state: ChildState = 'stopped';
  let restarts = 0;
  let pauseMs = FIRST_PAUSE_MS;
  let lastEnd: string | undefined;

  const run = (): void => {
    mkdirSync(dirname(spec.logFile), { recursive: true });
    const log = openSync(spec.logFile, 'a');
    const before = fstatSync(log).size;
    const startedAt = performance.now();
    // A group of its own: Ctrl-C in the terminal reaches us alone, and we stop the children in order.
    const started = spawn(spec.command, [...spec.args], {
      env: { ...spec.env },
      stdio: ['pipe', log, log],
      detached: true,
    });
    closeSync(log);
    child = started;
    state = 'running';
    started.once('error', (error) => {
      lastEnd = error.message;
    });
    // Writing nothing, we only learn from its end that the pipe is gone.
    started.stdin?.on('error', () => started.stdin?.destroy());
    started.once('close', (code, signal) => {
      if (state === 'stopped') return;
      lastEnd = `${signal === null ? `exit code ${code}` : `ended by ${signal}`}${lastWords(spec.logFile, before)}`;
      if (performance.now() - startedAt > HEALTHY_MS) pauseMs = FIRST_PAUSE_MS;
      state = 'waiting to start again';
      timer = setTimeout(() => {
        restarts++;
        run();
        onChange(self);
      }, pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      onChange(self);
    });
  };

  const send = (signal: NodeJS.Signals): void => {
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    // What it started (an encoder) must not outlive a kill.
    if (signal === 'SIGKILL') process.kill(-child.pid, signal);
    else child.kill(signal);
  };

  const self: SupervisedChild = {
    name: spec.name,
    logFile: spec.logFile,
    get state() {
      return state;
    },
    get pid() {
      return state === 'running' ? child?.pid : undefined;
    },
    get restarts() {
      return restarts;
    },
    get lastEnd() {
      return lastEnd;
    },
    start: run,
    async stop() {
      state = 'stopped';
      clearTimeout(timer);
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'close');
      send('SIGTERM');
      const killer = setTimeout(() => send('SIGKILL'), STOP_GRACE_MS);
      await ended;
      clearTimeout(killer);
    },
  };
  return self;
}

/** The last thing of weight that was logged from byte `from` on: `: message` of the last error, or the last line. */
function lastWords(logFile: string, from: number): string {
  // Somebody may have cleared the demo's directory; a supervisor does not fall over that.
  if (!existsSync(logFile)) return '';
  const run = readFileSync(logFile).subarray(from);
  const lines = run.subarray(-LOG_TAIL_BYTES).toString().trimEnd().split('\n');
  // Where the tail begins, a line is cut.
  if (run.length > LOG_TAIL_BYTES) lines.shift();
  const PINO_ERROR = 50;
  for (const line of lines.reverse())
    if (line.startsWith('{') && line.endsWith('}')) {
      const entry = JSON.parse(line) as { level?: number; msg?: string };
      if ((entry.level ?? 0) >= PINO_ERROR) return `: ${entry.msg}`;
    } else if (/^[^\s}]/.test(line) && !line.startsWith('Node.js v')) return `: ${line.trim()}`;
  return '';
}
