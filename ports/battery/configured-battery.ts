import { TouchlineError } from '#contracts/errors.ts';
import type { SensorsConfig } from '#contracts/health.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { linuxI2c } from '#ports/i2c/linux-i2c.ts';
import type { BatteryGauge } from './battery.ts';
import { i2cBattery } from './gauge-boards.ts';
import { serialBattery } from './serial-battery.ts';
import { sysfsBattery } from './sysfs-battery.ts';

/** What most boards speak at. */
const USUAL_BAUD = 9600;
/** The bus of the 40-pin header. */
const HEADER_BUS = 1;

/** The gauge that the configuration asks for; undefined when it says that there is none. */
export function configuredBattery(sensors: SensorsConfig, clock: Clock): BatteryGauge | undefined {
  switch (sensors.battery) {
    case 'none':
      return undefined;
    case 'sysfs':
      return sysfsBattery({ clock });
    case 'serial':
      return serialBattery({
        device: given(sensors.battery_device, 'battery_device'),
        baud: sensors.battery_baud ?? USUAL_BAUD,
      });
    case 'i2c':
      return i2cBattery({
        board: given(sensors.battery_board, 'battery_board'),
        address: sensors.battery_address,
        openBus: linuxI2c(sensors.i2c_bus ?? HEADER_BUS),
        clock,
      });
  }
}

/** The schema has seen to it. */
function given<T>(value: T | undefined, key: string): T {
  if (value === undefined)
    throw new TouchlineError('configuration_invalid', `sensors.${key} is not set`, {
      field: `sensors.${key}`,
    });
  return value;
}
