import type { Throttled } from '#domain/health/throttled.ts';
import type { Machine } from './machine.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
}

/** A computer, and the way to set what it says. */
export interface MachineLab {
  readonly machine: Machine;
  set(readings: {
    throttled: Throttled;
    load: number;
    memory: { availableBytes: number; totalBytes: number };
  }): Promise<void>;
  /** Nothing can be told any more. */
  breakAll(): Promise<void>;
}

/** Every computer, real or simulated, behaves like this. */
export async function machineConformance(
  t: Assertions,
  { machine, set, breakAll }: MachineLab,
): Promise<void> {
  for (const readings of [
    {
      throttled: { now: [], since_boot: [] },
      load: 0.25,
      memory: { availableBytes: 1024 * 1000, totalBytes: 1024 * 4000 },
    },
    {
      throttled: {
        now: ['under-voltage' as const],
        since_boot: ['under-voltage' as const, 'throttled' as const],
      },
      load: 3,
      memory: { availableBytes: 0, totalBytes: 1024 * 4000 },
    },
  ]) {
    await set(readings);
    t.same(await machine.throttled(), readings.throttled, 'what the firmware says');
    t.same(await machine.load(), readings.load, 'the load');
    t.same(await machine.memory(), readings.memory, 'the memory');
  }
  await breakAll();
  await t.rejects(machine.throttled(), { code: 'sensor_failed' }, 'no firmware: no flags');
  await t.rejects(machine.load(), { code: 'sensor_failed' }, 'no load: no value');
  await t.rejects(machine.memory(), { code: 'sensor_failed' }, 'no memory: no value');
}
