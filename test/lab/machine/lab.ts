import { existsSync, rmSync, statfsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Machine } from './guest.ts';
import { labKernel } from './kernel.ts';
import { labRoot } from './root.ts';

/** What a lab's claim is tried with. */
export interface LabOptions {
  readonly rounds: number;
  /** Everything random comes from this number. */
  readonly seed: number;
  /** Kernel, root, and a folder of this run that is gone afterwards. */
  readonly machine: Machine;
  /** A line for people, on stderr. */
  readonly log: (line: string) => void;
}

/** The same for a lab that needs no guests. */
export interface BareLabOptions extends Omit<LabOptions, 'machine'> {
  /** A folder of this run that is gone afterwards. */
  readonly folder: string;
}

/** What came of it: figures by name, and what does not hold, in words. */
export interface LabResult {
  readonly figures: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

const MAX_SEED = 2 ** 31;
const KEEP = 'TOUCHLINE_LAB_KEEP';

/** Guests keep their memory there, and a lab its disks. */
const ROOMY_BYTES = 6 * 2 ** 30;

/**
 * Whether there is room for all of it in memory: then nothing waits for whatever disk the host has, with whatever else it does. In
 * containers /dev/shm is often small.
 */
function roomyMemory(): boolean {
  if (!existsSync('/dev/shm')) return false;
  const { bavail, bsize } = statfsSync('/dev/shm');
  return bavail * bsize > ROOMY_BYTES;
}

/**
 * The frame of a lab's program: `[--rounds N] [--seed N] [--json]`. Prints one JSON object, or a table, on stdout and nothing else
 * there; the exit code is 1 when a claim failed or the lab itself did.
 */
export function runLab(
  name: string,
  defaultRounds: number,
  work: (options: LabOptions) => Promise<LabResult>,
): Promise<void> {
  return runBareLab(name, defaultRounds, async ({ folder, ...options }) => {
    const { log } = options;
    const machine = { kernel: await labKernel(log), root: await labRoot(log), folder };
    return work({ ...options, machine });
  });
}

/** The same frame without kernel and root of the guests. */
export async function runBareLab(
  name: string,
  defaultRounds: number,
  work: (options: BareLabOptions) => Promise<LabResult>,
): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } },
  });
  const seed =
    values.seed === undefined ? Math.floor(Math.random() * MAX_SEED) : wholeNumber('seed', values.seed);
  const rounds = values.rounds === undefined ? defaultRounds : wholeNumber('rounds', values.rounds);
  const log = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  const folder = await mkdtemp(join(roomyMemory() ? '/dev/shm' : tmpdir(), 'touchline-lab-'));
  // Guests end with this process in whatever way it ends; what they wrote has to be taken away.
  process.on('exit', () => {
    if (process.env[KEEP]) log(`kept: ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => process.exit(code));
  const begun = performance.now();
  log(`seed ${seed}, rounds ${rounds}`);
  const { figures, failures } = await work({ rounds, seed, folder, log });
  const result = {
    lab: name,
    ok: failures.length === 0,
    ...figures,
    failures,
    seed,
    seconds: Math.round(performance.now() - begun) / 1000,
  };
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : table(result));
  process.exitCode = failures.length === 0 ? 0 : 1;
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= MAX_SEED)
    throw new Error(`--${option} ${text}: must be a whole number`);
  return value;
}

function table(result: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(result);
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows
    .map(
      ([key, value]) =>
        `${key.padEnd(width)}  ${typeof value === 'object' ? JSON.stringify(value) : value}\n`,
    )
    .join('');
}
