import type { BatteryBoard } from '#contracts/health.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';
import {
  ina219BusVolts,
  max17040Volts,
  max17048Charging,
  max17048Volts,
  maximPercent,
  percentByVolts,
  plausibleCell,
} from '#domain/health/gauge-registers.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { I2cBus, OpenI2c } from '#ports/i2c/i2c.ts';
import { hex } from '#ports/i2c/i2c.ts';
import type { BatteryGauge } from './battery.ts';
import { polledBattery } from './polled-battery.ts';

type Answer = GaugeReading | { readonly refused: string };

interface Board {
  /** Where it is unless the configuration says otherwise. */
  readonly address: number;
  readonly read: (bus: I2cBus, address: number) => Promise<Answer>;
}

/** How each gauge is asked. All of them measure from the moment they have power: nothing has to be written to them. */
const BOARDS: Readonly<Record<BatteryBoard, Board>> = {
  max17040: {
    address: 0x36,
    async read(bus, address) {
      const volts = max17040Volts(await bus.readWord(address, 0x02));
      return ofCell(volts, maximPercent(await bus.readWord(address, 0x04)), null);
    },
  },
  max17048: {
    address: 0x36,
    async read(bus, address) {
      const volts = max17048Volts(await bus.readWord(address, 0x02));
      const percent = maximPercent(await bus.readWord(address, 0x04));
      return ofCell(volts, percent, max17048Charging(await bus.readWord(address, 0x16)));
    },
  },
  'ina219-1s': { address: 0x43, read: byVolts(1) },
  'ina219-2s': { address: 0x42, read: byVolts(2) },
  'ina219-3s': { address: 0x41, read: byVolts(3) },
  pisugar3: {
    address: 0x57,
    async read(bus, address) {
      const volts = ((await bus.readByte(address, 0x22)) * 256 + (await bus.readByte(address, 0x23))) / 1000;
      const percent = await bus.readByte(address, 0x2a);
      if (percent > 100) return { refused: `it says ${percent} %` };
      return ofCell(volts, percent, ((await bus.readByte(address, 0x02)) & PISUGAR_PLUGGED) !== 0);
    },
  },
};
/** PiSugar 3 series, register 0x02: bit 7 is set while external power is there. */
const PISUGAR_PLUGGED = 0x80;

function ofCell(volts: number, percent: number, charging: boolean | null): Answer {
  return plausibleCell(volts)
    ? { percent, volts, charging }
    : { refused: `it says ${volts.toFixed(2)} V, which no cell has` };
}

/** A board that only measures the voltage of its pack. Which way its current counts differs from board to board, so charging stays unknown. */
function byVolts(cells: number): Board['read'] {
  return async (bus, address) => {
    const volts = ina219BusVolts(await bus.readWord(address, 0x02));
    if (volts === undefined) return { refused: 'its arithmetic overflowed' };
    if (!plausibleCell(volts / cells))
      return { refused: `it says ${volts.toFixed(2)} V, which ${cells} in series cannot have` };
    return { percent: percentByVolts(volts, cells), volts, charging: null };
  };
}

/** A board with a gauge on an I2C bus. */
export function i2cBattery(options: {
  readonly board: BatteryBoard;
  /** That of the board when left out. */
  readonly address?: number | undefined;
  readonly openBus: OpenI2c;
  readonly clock: Clock;
}): BatteryGauge {
  const { board, openBus, clock } = options;
  const { read, address: usual } = BOARDS[board];
  const address = options.address ?? usual;
  return polledBattery({
    name: `the battery gauge ${board} at ${hex(address)}`,
    clock,
    async connect() {
      const bus = await openBus();
      return { ask: () => read(bus, address), close: () => bus.close() };
    },
  });
}
