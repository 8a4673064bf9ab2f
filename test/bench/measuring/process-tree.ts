import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time and memory of processes, from /proc. The kernel counts CPU time exactly and shows it in ticks of 10 ms
 * (proc(5): `USER_HZ`, 100 on every Linux port that Node runs on).
 */
const TICKS_PER_SEC = 100;

export interface ProcessReading {
  readonly pid: number;
  readonly commandLine: string;
  /** User and system time of all threads, without children, seconds. */
  readonly cpuSec: number;
  /** Proportional set size: memory that is shared counts for each process in part. */
  readonly pssBytes: number;
}

/** A process and everything it started that is alive now. */
export function readTree(root: number): ProcessReading[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statFields(Number(name));
    if (fields) parents.set(Number(name), Number(fields[1]));
  }
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree.flatMap((pid) => {
    const reading = readOne(pid);
    return reading ? [reading] : [];
  });
}

/** CPU seconds of the children of this process that have ended and were waited for, with theirs. */
export function endedChildrenCpuSec(): number {
  const fields = statFields(process.pid);
  if (!fields) throw new Error('/proc/self/stat cannot be read');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SEC;
}

export interface PeakMemory {
  /** Greatest sum over all trees at one moment. */
  readonly totalBytes: number;
  /** Samples it was found among. */
  readonly samples: number;
  /** CPU time of each process when it was last seen. */
  readonly lastSeen: ReadonlyMap<number, ProcessReading>;
}

/** Reads trees again and again until the returned function is called. */
export function watchTrees(roots: readonly number[], everyMs: number): () => PeakMemory {
  const lastSeen = new Map<number, ProcessReading>();
  let totalBytes = 0;
  let samples = 0;
  const sample = (): void => {
    const readings = roots.flatMap(readTree);
    for (const reading of readings) lastSeen.set(reading.pid, reading);
    totalBytes = Math.max(
      totalBytes,
      readings.reduce((sum, { pssBytes }) => sum + pssBytes, 0),
    );
    samples++;
  };
  sample();
  const timer = setInterval(sample, everyMs);
  return () => {
    clearInterval(timer);
    return { totalBytes, samples, lastSeen };
  };
}

function readOne(pid: number): ProcessReading | undefined {
  const fields = statFields(pid);
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  const commandLine = read(`/proc/${pid}/cmdline`);
  if (!fields || rollup === undefined || commandLine === undefined) return undefined;
  return {
    pid,
    commandLine: commandLine.replaceAll('\0', ' ').trim(),
    cpuSec: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC,
    pssBytes: Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024,
  };
}

/** Fields of /proc/PID/stat from the third on (the second may hold spaces): state, parent, … */
function statFields(pid: number): string[] | undefined {
  return read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
}

/** Undefined when the process has ended meanwhile. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
