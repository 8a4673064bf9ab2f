import { cpus } from 'node:os';
import { join } from 'node:path';
import { entriesOf, numberIn } from './sysfs.ts';
import type { Vitals } from './vitals.ts';

export interface LinuxVitalsOptions {
  /** Whether there is a sensor at all: one that is expected and silent is unknown, not absent. */
  readonly temperature: 'sysfs' | 'none';
  /** One that is there is read by the health service, which knows what to believe: to this one it is unknown. */
  readonly battery: 'sysfs' | 'serial' | 'i2c' | 'none';
  /** Where sysfs is mounted. */
  readonly sysfs?: string;
}

/**
 * What the kernel says: the hottest thermal zone (Documentation/ABI/testing/sysfs-class-thermal).
 */
export function linuxVitals({ temperature, battery, sysfs = '/sys' }: LinuxVitalsOptions): Vitals {
  let before: { busy: number; total: number } | undefined;
  return {
    async temperature() {
      if (temperature === 'none') return 'not-fitted';
      const zones = await entriesOf(join(sysfs, 'class/thermal'), 'thermal_zone');
      const readings = await Promise.all(zones.map((zone) => numberIn(join(zone, 'temp'))));
      const known = readings.filter((milli) => milli !== undefined);
      return known.length === 0 ? null : { celsius: Math.max(...known) / 1000 };
    },
    async battery() {
      return battery === 'none' ? 'not-fitted' : null;
    },
    cpuPercent() {
      const times = cpus().map((cpu) => Object.values(cpu.times).reduce((sum, ticks) => sum + ticks, 0));
      const idle = cpus().reduce((sum, cpu) => sum + cpu.times.idle, 0);
      const total = times.reduce((sum, ticks) => sum + ticks, 0);
      const last = before;
      before = { busy: total - idle, total };
      if (!last || total <= last.total) return undefined;
      return Math.min(100, Math.max(0, (100 * (before.busy - last.busy)) / (total - last.total)));
    },
  };
}
