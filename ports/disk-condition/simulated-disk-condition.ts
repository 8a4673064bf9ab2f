import { TouchlineError } from '#contracts/errors.ts';
import type { DiskWear } from '#domain/health/smart-log.ts';
import type { DiskCondition } from './disk-condition.ts';

/** A disk whose wear a test sets; null is one that does not answer. */
export interface SimulatedDiskCondition extends DiskCondition {
  set(wear: DiskWear | null): void;
}

export function simulatedDiskCondition(): SimulatedDiskCondition {
  let now: DiskWear | null = { usedPercent: 3, sparePercent: 100, warnings: [], mediaErrors: 0, celsius: 41 };
  return {
    async read(signal) {
      signal.throwIfAborted();
      if (now === null) throw new TouchlineError('sensor_failed', 'the simulated disk does not answer');
      return now;
    },
    set(wear) {
      now = wear;
    },
  };
}
