import type { Vitals } from './vitals.ts';

/** Vitals that a test sets. */
export interface ManualVitals extends Vitals {
  set(readings: {
    celsius?: number | 'not-fitted' | null;
    battery?: { percent: number; charging: boolean } | 'not-fitted' | null;
    cpuPercent?: number;
  }): void;
}

export function manualVitals(): ManualVitals {
  let celsius: number | 'not-fitted' | null = 'not-fitted';
  let battery: Awaited<ReturnType<Vitals['battery']>> = 'not-fitted';
  let cpuPercent: number | undefined;
  return {
    temperature: async () => (typeof celsius === 'number' ? { celsius } : celsius),
    battery: async () => battery,
    cpuPercent: () => cpuPercent,
    set(readings) {
      if (readings.celsius !== undefined) celsius = readings.celsius;
      if (readings.battery !== undefined) battery = readings.battery;
      if (readings.cpuPercent !== undefined) cpuPercent = readings.cpuPercent;
    },
  };
}
