/**
 * What the registers of battery gauges mean. 16-bit registers are given as the chip sends them, high byte first. Each throws nothing: what cannot be
 * a reading is undefined.
 */

/** MAX17040/43 datasheet, "VCELL Register": 12 bits from bit 15 on, 1.25 mV each. */
export function max17040Volts(vcell: number): number {
  return ((vcell >> 4) * 1.25) / 1000;
}

/** MAX17048 datasheet, "VCELL Register (0x02)": 78.125 µV per cell. */
export function max17048Volts(vcell: number): number {
  return (vcell * 78.125) / 1e6;
}

/** SOC register of both families: 1/256 %. The model runs past both ends of the scale. */
export function maximPercent(soc: number): number {
  return Math.min(100, soc / 256);
}

/** MAX17048 datasheet, "CRATE Register (0x16)": signed, 0.208 % an hour; null where it is too small to tell a direction. */
export function max17048Charging(crate: number): boolean | null {
  const percentPerHour = signed16(crate) * 0.208;
  return Math.abs(percentPerHour) < STEADY_PERCENT_PER_HOUR ? null : percentPerHour > 0;
}
/** A node empties its battery by tens of percent an hour. */
const STEADY_PERCENT_PER_HOUR = 2;

/** A cell below is dead or not there: then the gauge measures nothing. */
const LEAST_CELL_VOLTS = 2;
/** Lithium-ion cells are charged to 4.2 V, some to 4.35 V; more is a reading that went wrong. */
const MOST_CELL_VOLTS = 4.6;

/** Whether a cell can have that voltage. */
export function plausibleCell(volts: number): boolean {
  return volts >= LEAST_CELL_VOLTS && volts <= MOST_CELL_VOLTS;
}

/** INA219 datasheet, "Bus Voltage Register": 13 bits from bit 15 on, 4 mV each; bit 0 says that the arithmetic overflowed. */
export function ina219BusVolts(bus: number): number | undefined {
  return (bus & 1) === 1 ? undefined : ((bus >> 3) * 4) / 1000;
}

/**
 * Charge by the voltage of a lithium-ion cell at the load of a node, in steps that are joined by straight lines. Coarse: a tenth wrong is usual,
 * and the voltage sags when a load begins. The shape is that of the discharge curves in the datasheets of 18650 cells at a fifth of their capacity an
 * hour; 3.0 V is where the protection of the usual boards ends it.
 */
const CELL_CURVE: readonly (readonly [volts: number, percent: number])[] = [
  [3.0, 0],
  [3.3, 5],
  [3.5, 13],
  [3.6, 25],
  [3.7, 42],
  [3.8, 58],
  [3.9, 71],
  [4.0, 83],
  [4.1, 94],
  [4.15, 100],
];

/** Percent of a pack of `cells` in series by its voltage, to a tenth. */
export function percentByVolts(volts: number, cells: number): number {
  const cell = volts / cells;
  const above = CELL_CURVE.findIndex(([at]) => cell < at);
  const [upper, lower] = [CELL_CURVE[above], CELL_CURVE[above - 1]];
  if (!upper) return 100;
  if (!lower) return 0;
  const share = (cell - lower[0]) / (upper[0] - lower[0]);
  return Math.round((lower[1] + share * (upper[1] - lower[1])) * 10) / 10;
}

function signed16(word: number): number {
  return word >= 0x8000 ? word - 0x10000 : word;
}
