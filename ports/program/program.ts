import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';

/** The Debian package that brings each program we run. */
const DEBIAN_PACKAGE: Record<string, string> = {
  ffmpeg: 'ffmpeg',
  ffprobe: 'ffmpeg',
  chronyd: 'chrony',
  chronyc: 'chrony',
  socat: 'socat',
  choom: 'util-linux',
  aplay: 'alsa-utils',
  cpfind: 'hugin-tools',
  cpclean: 'hugin-tools',
  autooptimiser: 'hugin-tools',
  'rpicam-vid': 'rpicam-apps',
  systemctl: 'systemd',
  'v4l2-ctl': 'v4l-utils',
  nvme: 'nvme-cli',
};

/** How much of a program's stderr is kept, lines from the end. */
const STDERR_LINES = 40;

/** How a program ended: `code` is null when a signal ended it. `stderr` holds its last lines. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string[];
}

export interface Program {
  readonly child: ChildProcess;
  /** Settles once, when the process is gone and its pipes are closed. */
  readonly ended: Promise<ProgramEnd>;
  /** Asks it to end, kills it after `graceMs`, and waits. Safe to call twice. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<ProgramEnd>;
}

export interface ProgramOptions {
  /**
   * stdin and stdout; stderr is always read. As stdin also the stdout of another program: then the two are connected directly, and
   * this process lets go of the pipe.
   */
  readonly stdin?: 'ignore' | 'pipe' | Readable;
  readonly stdout?: 'ignore' | 'pipe';
  /** So many further pipes to the program, from descriptor 3 on: `child.stdio[3]`, … */
  readonly furtherPipes?: number;
  /** In its own process group, so that stopping it also ends what it started. */
  readonly group?: boolean;
}

/**
 * Starts a program. Rejects with `program_missing` that names the package to install when it is not there.
 */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Program> {
  const stdio: StdioOptions = [options.stdin ?? 'ignore', options.stdout ?? 'ignore', 'pipe'];
  for (let n = 0; n < (options.furtherPipes ?? 0); n++) stdio.push('pipe');
  const child = spawn(command, args, { stdio, detached: options.group ?? false });
  // The other end must see this program end, which it cannot while we hold the pipe too.
  if (typeof options.stdin === 'object') options.stdin.destroy();
  const stderr: string[] = [];
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split(/[\r\n]+/);
    rest = (lines.pop() ?? '').slice(-2000);
    stderr.push(...lines.filter((line) => line.trim() !== ''));
    if (stderr.length > STDERR_LINES) stderr.splice(0, stderr.length - STDERR_LINES);
  });
  // A program that ends while we write to it is seen by its end; the broken pipe adds nothing.
  child.stdin?.on('error', () => child.stdin?.destroy());
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause: NodeJS.ErrnoException) => reject(startFailure(command, cause)));
  });
  let closed = false;
  const ended = new Promise<ProgramEnd>((resolve) => {
    child.once('close', (code, signal) => {
      closed = true;
      if (rest.trim() !== '') stderr.push(rest);
      resolve({ code, signal, stderr });
    });
  });
  return {
    child,
    ended,
    async stop(signal = 'SIGTERM', graceMs = 2000) {
      const send = (name: NodeJS.Signals): void => {
        if (child.pid === undefined || closed) return;
        // What the program started can outlive it, and holds the pipes that are waited for.
        if (options.group) signalGroup(child.pid, name);
        else child.kill(name);
      };
      send(signal);
      const timer = setTimeout(() => send('SIGKILL'), graceMs);
      child.stdout?.resume();
      const end = await ended;
      clearTimeout(timer);
      return end;
    },
  };
}

/** Signals all that is left of a process group; that nothing is left is what was wanted. */
function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Runs a program to its end and returns its stdout. Throws `internal` with its last lines when it fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  signal?.throwIfAborted();
  const program = await startProgram(command, args, { stdout: 'pipe' });
  let out = '';
  program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const onAbort = (): void => void program.child.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const end = await program.ended;
  signal?.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  if (end.code !== 0)
    throw new TouchlineError('internal', `${command} failed: ${describeEnd(end)}`, {
      details: { stderr: end.stderr },
    });
  return out;
}

/** `exit code 1: last line`, for messages. */
export function describeEnd(end: ProgramEnd): string {
  const how = end.signal ? `ended by ${end.signal}` : `exit code ${end.code}`;
  const last = end.stderr.at(-1);
  return last === undefined ? how : `${how}: ${last}`;
}

function startFailure(command: string, cause: NodeJS.ErrnoException): TouchlineError {
  if (cause.code !== 'ENOENT')
    return new TouchlineError('internal', `${command} could not be started: ${cause.message}`, { cause });
  const name = command.split('/').at(-1) ?? command;
  const pack = DEBIAN_PACKAGE[name];
  return new TouchlineError(
    'program_missing',
    `${command} is not installed${pack ? `: apt-get install -y ${pack}` : ''}`,
    { cause, details: { program: name, ...(pack ? { debian_package: pack } : {}) } },
  );
}
