import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until `probe` gives a value; fails with what it last threw. */
export async function until<T>(what: string, probe: () => Promise<T | undefined>, seconds = 60): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
      last = 'not yet';
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline)
      throw new Error(`${seconds} s passed without: ${what}`, { cause: last });
    await sleep(50);
  }
}
