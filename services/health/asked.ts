import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** A sensor that is asked again and again, in its own time: none waits for another. */
export interface Asked<T> extends Unit {
  /** The last answer; undefined when there was none yet, or the last time it failed. */
  readonly value: T | undefined;
  readonly failure: TouchlineError | undefined;
}

const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 60_000;

export function createAsked<T>(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly name: string;
  readonly everyMs: number;
  readonly limitMs: number;
  readonly ask: (signal: AbortSignal) => Promise<T>;
}): Asked<T> {
  const { clock, log, name, everyMs, limitMs, ask } = deps;
  const control = new AbortController();
  const { signal } = control;
  const stopping = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  let value: T | undefined;
  let failure: TouchlineError | undefined;
  let asking = Promise.resolve();

  /** An answer that does not come is a failure; it is still waited for before the next question, so that none pile up. */
  const askOnce = async (): Promise<void> => {
    const limit = new AbortController();
    const answer = ask(AbortSignal.any([signal, limit.signal]));
    const waiting = clock.sleepUntil(
      clock.monoUs() + limitMs * 1000,
      name,
      AbortSignal.any([signal, limit.signal]),
    );
    const late = waiting.then(() => {
      throw new TouchlineError(
        'sensor_failed',
        `${name} does not answer: ${limitMs / 1000} s were waited for`,
      );
    });
    try {
      value = await Promise.race([answer, late]);
      if (failure) log.info(`${name} answers again`);
      failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      fail(error);
      limit.abort(error);
      // One that hangs for good keeps nobody from stopping.
      await Promise.race([answer.catch(() => undefined), stopping]);
    } finally {
      limit.abort(new Error('no longer waited for'));
      // It ends with the abort; that it was given up is known.
      await late.catch(() => undefined);
    }
  };
  const fail = (error: unknown): void => {
    const sensed =
      error instanceof TouchlineError
        ? error
        : new TouchlineError('sensor_failed', `${name}: ${(error as Error).message}`, { cause: error });
    if (failure?.message !== sensed.message) log.error({ err: sensed }, sensed.message);
    failure = sensed;
    value = undefined;
  };
  const loop = async (): Promise<void> => {
    let retryMs = RETRY_FIRST_MS;
    while (!signal.aborted) {
      await askOnce();
      const waitMs = failure ? retryMs : everyMs;
      retryMs = failure ? Math.min(retryMs * 2, RETRY_LAST_MS) : RETRY_FIRST_MS;
      await clock.sleepUntil(clock.monoUs() + waitMs * 1000, name, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  };

  return {
    get value() {
      return value;
    },
    get failure() {
      return failure;
    },
    async start() {
      asking = loop();
    },
    async stop() {
      control.abort(new TouchlineError('shutting_down', 'health is stopping'));
      await asking;
    },
  };
}
