import type { Shell } from './shell.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP, and when the terminal or pipe that is written to is gone; the second signal ends this
 * process at once.
 */
export function onInterrupt(shell: Pick<Shell, 'stdin' | 'stdout' | 'stderr'>): {
  signal: AbortSignal;
  dispose(): void;
} {
  const control = new AbortController();
  const end = (name: keyof typeof EXIT_CODES): void => {
    if (control.signal.aborted) process.kill(process.pid, 'SIGKILL');
    control.abort(new Interrupted(name));
  };
  // A terminal that hangs up fails every read and write from then on. Whoever ends us still has to tidy up.
  const streams = [shell.stdin, shell.stdout, shell.stderr];
  const gone = (error: NodeJS.ErrnoException): void => {
    if (control.signal.aborted) return;
    if (error.code !== 'EIO' && error.code !== 'EPIPE') throw error;
    end(error.code === 'EIO' ? 'SIGHUP' : 'SIGPIPE');
  };
  for (const name of SIGNALS) process.on(name, end);
  for (const stream of streams) stream.on('error', gone);
  return {
    signal: control.signal,
    dispose() {
      for (const name of SIGNALS) process.off(name, end);
      // What was written last fails later, if it does.
      if (!control.signal.aborted) for (const stream of streams) stream.off('error', gone);
    },
  };
}

/** Somebody ended the command; not a failure to explain. */
export class Interrupted extends Error {
  /** As shells count it. */
  readonly exitCode: number;
  constructor(name: keyof typeof EXIT_CODES) {
    super(`ended by ${name}`);
    this.exitCode = EXIT_CODES[name];
  }
}

export const EXIT_CODES = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGPIPE: 141,
  SIGTERM: 143,
} as const satisfies Partial<Record<NodeJS.Signals, number>>;
