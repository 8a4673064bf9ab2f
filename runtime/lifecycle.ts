import type { Logger } from './logger.ts';

/**
 * A part of a program that holds something: `start` acquires, `stop` releases and waits. Constructors only assign.
 * `signal` ends every wait, those inside `start` included. `stop` may be called once, after `start` began.
 */
export interface Unit {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Several units as one: started in order, stopped in reverse. When one fails to start, those before it are stopped
 * and the failure is thrown. Every unit is stopped even when another fails to; the failures come together.
 */
export function group(...units: Unit[]): Unit {
  const started: Unit[] = [];
  const stopAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const unit of started.splice(0).reverse())
      await unit.stop().catch((error: unknown) => failures.push(error));
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, 'several parts failed to stop');
  };
  return {
    async start(signal) {
      for (const unit of units) {
        signal.throwIfAborted();
        started.push(unit);
        try {
          await unit.start(signal);
        } catch (error) {
          await stopAll().catch((stopError: unknown) => {
            throw new AggregateError([error, stopError], 'failed to start, and then to stop');
          });
          throw error;
        }
      }
    },
    stop: stopAll,
  };
}

/**
 * Runs a program until SIGINT, SIGTERM or `until` aborts. A second signal while stopping ends the process at once.
 * Sets the exit code and lets buffers flush; never calls `process.exit`.
 */
export async function runUntilSignal(unit: Unit, log: Logger, until?: AbortSignal): Promise<void> {
  const control = new AbortController();
  const end = (why: string) => () => {
    if (control.signal.aborted) process.kill(process.pid, 'SIGKILL');
    control.abort(new Error(why));
  };
  const onInt = end('interrupted');
  const onTerm = end('terminated');
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  until?.addEventListener('abort', () => control.abort(until.reason), { once: true });
  if (until?.aborted) control.abort(until.reason);
  try {
    await unit.start(control.signal);
    log.info('started');
    await aborted(control.signal);
    await unit.stop();
    log.info('stopped');
  } catch (error) {
    if (control.signal.aborted && error === control.signal.reason) return;
    process.exitCode = 1;
    log.fatal({ err: error }, error instanceof Error ? error.message : 'failed');
  } finally {
    process.off('SIGINT', onInt);
    process.off('SIGTERM', onTerm);
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
