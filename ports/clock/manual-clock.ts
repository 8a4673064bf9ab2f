import type { Clock } from './clock.ts';

/** A clock that a test moves by hand; waits and ticks happen in order while it is moved. */
export interface ManualClock extends Clock {
  /** Moves both clocks on, running what is due on the way and letting promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Steps the wall clock alone, as a careless time daemon does. */
  stepWall(ms: number): void;
}

interface Waiter {
  readonly dueUs: number;
  readonly run: () => void;
}

/** Starts at `wallUs` (2024-03-15T14:00:00Z when left out) with a monotonic count of one second. */
export function manualClock(wallUs = 1_710_511_200_000_000, bootId = 'manual-boot'): ManualClock {
  let mono = 1_000_000;
  let offset = wallUs - mono;
  const waiters = new Set<Waiter>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const at = (dueUs: number, run: () => void): Waiter => {
    const waiter = { dueUs, run };
    waiters.add(waiter);
    return waiter;
  };

  return {
    bootId,
    readErrorUs: 0,
    monoUs: () => mono,
    wallUs: () => mono + offset,
    sleepUntil(targetUs, _name, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        if (targetUs <= mono) return resolve();
        const onAbort = (): void => {
          waiters.delete(waiter);
          reject(signal?.reason);
        };
        const waiter = at(targetUs, () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        });
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    },
    every(intervalMs, _name, tick) {
      let running = true;
      let waiter: Waiter | undefined;
      const next = (): void => {
        waiter = at(mono + intervalMs * 1000, () => {
          Promise.resolve(tick()).then(
            () => {
              if (running) next();
            },
            (error: unknown) =>
              setImmediate(() => {
                throw error;
              }),
          );
        });
      };
      next();
      return () => {
        running = false;
        if (waiter) waiters.delete(waiter);
      };
    },
    async advance(ms) {
      const end = mono + Math.round(ms * 1000);
      await settle();
      for (;;) {
        const due = [...waiters].filter((waiter) => waiter.dueUs <= end).sort((a, b) => a.dueUs - b.dueUs)[0];
        if (!due) break;
        waiters.delete(due);
        mono = Math.max(mono, due.dueUs);
        due.run();
        await settle();
      }
      mono = end;
      await settle();
    },
    stepWall(ms) {
      offset += Math.round(ms * 1000);
    },
  };
}
