import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { entriesOf, numberIn, textIn } from '#ports/vitals/sysfs.ts';
import type { BatteryGauge } from './battery.ts';
import { polledBattery } from './polled-battery.ts';

/** The first battery that the kernel knows (Documentation/ABI/testing/sysfs-class-power); null when none gives a reading. */
export async function readSysfsBattery(sysfs: string): Promise<GaugeReading | null> {
  for (const supply of await entriesOf(join(sysfs, 'class/power_supply'))) {
    if ((await textIn(join(supply, 'type'))) !== 'Battery') continue;
    const percent = await numberIn(join(supply, 'capacity'));
    if (percent === undefined || percent < 0 || percent > 100) continue;
    const microvolts = await numberIn(join(supply, 'voltage_now'));
    return {
      percent,
      volts: microvolts === undefined || microvolts <= 0 ? null : microvolts / 1e6,
      charging: chargingOf(await textIn(join(supply, 'status'))),
    };
  }
  return null;
}

/** `Full` and `Not charging` are said of a battery that external power relieves. */
function chargingOf(status: string | undefined): boolean | null {
  if (status === 'Discharging') return false;
  return status === 'Charging' || status === 'Full' || status === 'Not charging' ? true : null;
}

export function sysfsBattery(options: { readonly clock: Clock; readonly sysfs?: string }): BatteryGauge {
  const { clock, sysfs = '/sys' } = options;
  const name = 'the battery that the kernel knows';
  return polledBattery({
    name,
    clock,
    connect: async () => ({
      async ask() {
        const reading = await readSysfsBattery(sysfs);
        if (reading) return reading;
        throw new TouchlineError('sensor_failed', `${name}: there is none that gives a reading`, {
          field: 'sensors.battery',
          remedy: '`ls /sys/class/power_supply` lists what the kernel knows; its driver may be missing.',
        });
      },
      close: () => Promise.resolve(),
    }),
  });
}
