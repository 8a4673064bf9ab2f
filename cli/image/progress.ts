import type { Shell } from '../shell.ts';

const REDRAW_MS = 200;
const MIB = 1024 * 1024;

/** Shows how far a long job is: a line that is redrawn on a terminal, one line at the end anywhere else. */
export interface Progress {
  at(bytes: number): void;
  end(): void;
}

export function startProgress(
  shell: Pick<Shell, 'stderr'>,
  label: string,
  totalBytes: number | undefined,
  now: () => number = Date.now,
): Progress {
  let bytes = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const text = (): string => {
    const done = `${(bytes / MIB).toFixed(0)} MiB`;
    if (totalBytes === undefined || totalBytes === 0) return `${label}: ${done}`;
    return `${label}: ${done} of ${(totalBytes / MIB).toFixed(0)} (${Math.floor((bytes / totalBytes) * 100)} %)`;
  };
  return {
    at(position) {
      bytes = position;
      if (!shell.stderr.isTTY || now() - drawnAt < REDRAW_MS) return;
      drawnAt = now();
      shell.stderr.write(`\r\u001b[K${text()}`);
    },
    end() {
      shell.stderr.write(`${shell.stderr.isTTY ? '\r\u001b[K' : ''}${text()}\n`);
    },
  };
}
