import { TouchlineError } from '#contracts/errors.ts';
import type { Throttled } from '#domain/health/throttled.ts';
import type { Machine } from './machine.ts';

interface Readings {
  readonly throttled: Throttled | null;
  readonly load: number | null;
  readonly memory: { readonly availableBytes: number; readonly totalBytes: number } | null;
}

/** A computer whose readings a test sets; null is one that cannot be told. */
export interface SimulatedMachine extends Machine {
  set(readings: Partial<Readings>): void;
}

export function simulatedMachine(): SimulatedMachine {
  let now: Readings = {
    throttled: { now: [], since_boot: [] },
    load: 0.5,
    memory: { availableBytes: 3e9, totalBytes: 4e9 },
  };
  const told = <T>(value: T | null, what: string): T => {
    if (value === null) throw new TouchlineError('sensor_failed', `the simulated ${what} cannot be told`);
    return value;
  };
  return {
    throttled: async () => told(now.throttled, 'firmware'),
    load: async () => told(now.load, 'load'),
    memory: async () => told(now.memory, 'memory'),
    set(readings) {
      now = { ...now, ...readings };
    },
  };
}
