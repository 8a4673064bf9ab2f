const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborts at the first SIGINT, SIGTERM or SIGHUP; the second ends this process at once. */
export function onInterrupt(): { signal: AbortSignal; dispose(): void } {
  const control = new AbortController();
  const end = (name: NodeJS.Signals): void => {
    if (control.signal.aborted) process.kill(process.pid, 'SIGKILL');
    control.abort(new Interrupted(name));
  };
  for (const name of SIGNALS) process.on(name, end);
  return {
    signal: control.signal,
    dispose() {
      for (const name of SIGNALS) process.off(name, end);
    },
  };
}

/** Somebody ended the command; not a failure to explain. */
export class Interrupted extends Error {
  /** As shells count it. */
  readonly exitCode: number;
  constructor(name: NodeJS.Signals) {
    super(`ended by ${name}`);
    this.exitCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[name as (typeof SIGNALS)[number]];
  }
}
