import { readFileSync } from 'node:fs';

/** How far back is looked, and how often. */
const WINDOW_MS = 2000;
const LOOK_MS = 250;

/** Watches how long a guest waits for a processor while it could run: what it is late then is the host's doing. */
export interface StarvationWatch {
  /** Milliseconds of the last two seconds; the greatest of its processes, for they run one at a time. */
  waitedMs(): number;
  stop(): void;
}

/** `pid` and all that it started. */
export function watchStarvation(pid: number): StarvationWatch {
  const looks: { atMs: number; waitedNs: ReadonlyMap<number, number> }[] = [];
  const look = (): void => {
    const waitedNs = new Map<number, number>();
    for (const each of family(pid)) {
      const ns = waited(each);
      if (ns !== undefined) waitedNs.set(each, ns);
    }
    looks.push({ atMs: performance.now(), waitedNs });
    while (looks[1] && looks[1].atMs < performance.now() - WINDOW_MS) looks.shift();
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return {
    waitedMs() {
      const [first, last] = [looks[0], looks.at(-1)];
      if (!first || !last) return 0;
      const waits = [...last.waitedNs].map(([each, ns]) => ns - (first.waitedNs.get(each) ?? 0));
      return Math.max(0, ...waits) / 1e6;
    },
    stop: () => clearInterval(timer),
  };
}

function family(pid: number): number[] {
  const children = (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter((text) => text !== '');
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

/** Time on the run queue, nanoseconds: the second number of schedstat. */
function waited(pid: number): number | undefined {
  const text = read(`/proc/${pid}/schedstat`);
  return text === undefined ? undefined : Number(text.split(' ')[1]);
}

/** A process that has ended meanwhile tells nothing. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
