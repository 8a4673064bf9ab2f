import { setTimeout as sleep } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';

const POLL_MS = 200;

/** Nothing yet, and what is still missing. */
export class NotYet {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

/**
 * Asks until the answer is not `NotYet`. Throws `peer_silent` that says what was awaited, how long, and what was
 * missing last; other errors of `ask` than silence end it at once.
 */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal,
  ask: () => Promise<T | NotYet>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal.throwIfAborted();
    const answer = await ask().catch((error: unknown) => {
      if (error instanceof TouchlineError && error.code === 'peer_silent') return new NotYet(error.message);
      throw error;
    });
    if (!(answer instanceof NotYet)) return answer;
    if (performance.now() > deadline)
      throw new TouchlineError(
        'peer_silent',
        `waited ${Math.round(timeoutMs / 1000)} s for ${what}: ${answer.why}`,
      );
    await sleep(POLL_MS, undefined, { signal });
  }
}
