import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#ports/clock/system-clock.ts';
import type { Kernel } from './kernel.ts';
import type { Network } from './network.ts';

const ROOT = join(import.meta.dirname, '../../..');
const clock = systemClock();
/** A machine that starts takes a second; many at once on a busy one take longer. */
const READY_MS = 60_000;
const POWER_OFF_MS = 20_000;
/** Shown when something else was awaited than what came. */
const LAST_LINES = 25;
const TICK = /^LAB-TICK (\d+\.\d+)$/;

/** What all guests of a lab share. */
export interface Machine {
  readonly kernel: Kernel;
  readonly root: string;
  /** A folder of this lab run; sockets and memory of the guests lie there. */
  readonly folder: string;
}

export interface GuestOptions {
  /** Host name, and how messages call it: `[a-z0-9-]`. */
  readonly name: string;
  /** A script of test/lab/jobs. */
  readonly job: string;
  /** A folder of the host; the guest has it at /host. */
  readonly share: string;
  /** Environment of the job. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly memMib?: number;
  /**
   * `virtual`: its clock stands still while a program runs and jumps to the next moment when all sleep. A machine of its own that is never
   * short of processor, however busy the host is; it takes as long as its programs compute. Nothing outside can be timed against it.
   */
  readonly time?: 'host' | 'virtual';
  /** How often it says what its clock shows, milliseconds; it does not when left out. */
  readonly tickMs?: number;
  /**
   * Files that are its disks: /dev/loop0, /dev/loop1, … What it wrote and did not sync is in its memory, as in the cache of a disk, and gone when
   * its power is cut.
   */
  readonly disks?: readonly string[];
  readonly network?: Network;
  /** Taps of the network that are its interfaces vec0, vec1, … */
  readonly taps?: readonly string[];
}

export interface Guest {
  readonly name: string;
  /** All lines so far but its ticks. */
  readonly lines: readonly string[];
  /** Its wall clock at its last tick, microseconds; undefined before the first. */
  readonly tickUs: number | undefined;
  /** Called with each line from now on, and the host's wall clock when it came. */
  onLine(listener: (line: string, atUs: number) => void): void;
  /** The first line, also of those that came already, for which `pick` is not undefined. Rejects after `timeoutMs`, or when the guest ends. */
  until<T>(what: string, timeoutMs: number, pick: (line: string) => T | undefined): Promise<T>;
  /** Waits for the end of the job and of the machine. Rejects unless the job ended with 0. */
  done(timeoutMs: number): Promise<void>;
  /** Resolves at its first tick from that moment of its clock on. Rejects after `timeoutMs` of the host, or when the guest ends. */
  reaches(momentUs: number, timeoutMs: number): Promise<void>;
  /** Ends the machine between two instructions; what it said before has been heard then. Safe when it has ended. */
  cutPower(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a machine and waits until its job runs. */
export async function boot(machine: Machine, options: GuestOptions): Promise<Guest> {
  const { name, share, disks = [], taps = [] } = options;
  // The kernel keeps a folder by the guest's name there, and empties it.
  mkdirSync(join(machine.folder, '.uml'), { recursive: true });
  const variables = Object.entries(options.variables ?? {});
  writeFileSync(join(share, 'job.env'), variables.map(([key, value]) => `${key}='${value}'\n`).join(''));
  const command = [
    ...(options.network === undefined ? [] : ['nsenter', `--net=${options.network.namespace}`]),
    // A guest stands for a machine of its own: what else this one does must not make it late.
    ...(options.time === 'virtual' ? [] : ['nice', '-n', '-10']),
    // Neither the lab's end nor the guest's leaves anything running.
    ...['setpriv', '--pdeathsig=KILL', 'unshare', '--pid', '--fork', '--kill-child=KILL'],
    machine.kernel.linux,
    ...[`mem=${options.memMib ?? 768}M`, `umid=${name}`, `uml_dir=${machine.folder}/.uml/`, 'quiet'],
    ...['root=/dev/root', 'rootfstype=hostfs', `rootflags=${machine.root}`, 'ro', 'init=/lab/guest-init'],
    ...['con=null', 'con0=null,fd:1'],
    ...(options.time === 'virtual' ? ['time-travel=inf-cpu'] : []),
    ...taps.map((tap, index) => `vec${index}:transport=tap,ifname=${tap}`),
    ...(disks.length === 0 ? [] : [`lab.disks=${disks.join(',')}`]),
    ...(options.tickMs === undefined ? [] : [`lab.tick=${options.tickMs / 1000}`]),
    ...[`lab.name=${name}`, `lab.job=${options.job}`, `lab.share=${share}`],
    ...[`lab.product=${ROOT}`, `lab.modules=${machine.kernel.modules}`],
  ];
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its memory is a file there.
    env: { PATH: process.env.PATH, HOME: machine.folder, TMPDIR: machine.folder },
  });
  running.add(child);
  const lines: string[] = [];
  let tickUs: number | undefined;
  const listeners = new Set<(line: string, atUs: number) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const atUs = clock.wallUs();
      const parts = (rest + text).split(/\r*\n/);
      rest = parts.pop() ?? '';
      for (const line of parts) {
        const tick = TICK.exec(line)?.[1];
        if (tick === undefined) lines.push(line);
        else tickUs = Math.round(Number(tick) * 1e6);
        for (const listener of listeners) listener(line, atUs);
      }
    });
  }
  let over = false;
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      running.delete(child);
      over = true;
      resolve();
    });
  });
  const lastLines = (): string => `its last lines:\n${lines.slice(-LAST_LINES).join('\n')}`;

  const guest: Guest = {
    name,
    lines,
    get tickUs() {
      return tickUs;
    },
    onLine: (listener) => void listeners.add(listener),
    async until(what, timeoutMs, pick) {
      for (const line of lines) {
        const picked = pick(line);
        if (picked !== undefined) return picked;
      }
      const found = Promise.withResolvers<NonNullable<ReturnType<typeof pick>>>();
      const listener = (line: string): void => {
        if (line.startsWith('Kernel panic')) found.reject(new Error(`${name}: ${line}; ${lastLines()}`));
        const picked = pick(line);
        if (picked !== undefined && picked !== null) found.resolve(picked);
      };
      listeners.add(listener);
      const timer = setTimeout(
        () => found.reject(new Error(`${name}: waited ${timeoutMs / 1000} s for ${what}; ${lastLines()}`)),
        timeoutMs,
      );
      ended.then(
        () => found.reject(new Error(`${name} ended before: ${what}; ${lastLines()}`)),
        found.reject,
      );
      try {
        return await found.promise;
      } finally {
        clearTimeout(timer);
        listeners.delete(listener);
      }
    },
    async done(timeoutMs) {
      const code = await guest.until(
        'the end of its job',
        timeoutMs,
        (line) => /^LAB-DONE rc=(\d+)/.exec(line)?.[1],
      );
      const timer = setTimeout(() => child.kill('SIGKILL'), POWER_OFF_MS);
      await ended;
      clearTimeout(timer);
      if (code !== '0') throw new Error(`${name}: its job ended with ${code}; ${lastLines()}`);
    },
    async reaches(momentUs, timeoutMs) {
      const reached = (): true | undefined => (tickUs !== undefined && tickUs >= momentUs ? true : undefined);
      if (!reached()) await guest.until('its clock to go on', timeoutMs, reached);
    },
    async cutPower() {
      if (!over) child.kill('SIGKILL');
      await ended;
    },
  };
  try {
    await guest.until('LAB-READY', READY_MS, (line) => (line.startsWith('LAB-READY') ? line : undefined));
  } catch (error) {
    await guest.cutPower();
    throw error;
  }
  return guest;
}
