import type { NodeConfig } from '#contracts/node-config.ts';
import { configuredBattery } from '#ports/battery/configured-battery.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { nvmeSmartLog } from '#ports/disk-condition/nvme-smart-log.ts';
import { linuxMachine } from '#ports/machine/linux-machine.ts';
import { linuxVitals } from '#ports/vitals/linux-vitals.ts';
import type { HealthDeps } from './service.ts';

/** The real sensors that the configuration of a node asks for. */
export function healthSensors(
  { sensors, storage, state_dir }: NodeConfig,
  clock: Clock,
): Pick<HealthDeps, 'vitals' | 'machine' | 'gauge' | 'diskCondition' | 'disk'> {
  return {
    vitals: linuxVitals(sensors),
    machine: linuxMachine(),
    gauge: configuredBattery(sensors, clock),
    diskCondition: sensors.disk_condition === 'nvme' ? nvmeSmartLog({ folder: storage.path }) : undefined,
    disk: sensors.disk_write === 'measured' ? localDisk(storage.path, state_dir) : undefined,
  };
}
