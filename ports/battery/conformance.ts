import type { GaugeReading } from '#domain/health/battery-run.ts';
import type { BatteryGauge } from './battery.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  match(found: unknown, wanted: { code: string }, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
}

/** A gauge, and its battery in the hands of a test. */
export interface BatteryLab {
  readonly gauge: BatteryGauge;
  /** The battery has this from now on; percent whole numbers, as some gauges know no others. */
  set(percent: number): Promise<void>;
  /** What comes is no reading, until the next `set`; left out where a gauge can say nothing but readings. */
  garbage?(): Promise<void>;
  unplug(): Promise<void>;
  plug(): Promise<void>;
  /** Lets time pass until the condition holds; throws with `what` when it never does. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** By how much a gauge may differ that only knows a voltage; 0 when left out. */
  readonly coarsePercent?: number;
}

/** Every gauge, real or simulated, behaves like this. */
export async function batteryConformance(t: Assertions, lab: BatteryLab): Promise<void> {
  const { gauge, until } = lab;
  const readings: GaugeReading[] = [];
  const refusals: string[] = [];
  const listener = {
    reading: (reading: GaugeReading) => void readings.push(reading),
    refused: (why: string) => void refusals.push(why),
  };
  const says = (percent: number): Promise<void> =>
    until(
      () => Math.abs((readings.at(-1)?.percent ?? Number.NaN) - percent) <= (lab.coarsePercent ?? 0),
      `${gauge.name} to say ${percent} %`,
    );

  await lab.set(83);
  const open = await gauge.open(listener);
  await lab.set(83);
  await says(83);
  await lab.set(61);
  await says(61);
  t.ok(
    readings.every(({ percent }) => percent >= 0 && percent <= 100),
    'a charge is a share',
  );
  if (lab.garbage) {
    const before = readings.length;
    await lab.garbage();
    await until(() => refusals.length > 0, `${gauge.name} to refuse garbage`);
    t.equal(readings.length, before, 'garbage is no reading');
    await lab.set(60);
    await says(60);
  }
  await lab.unplug();
  t.match(await open.ended, { code: 'sensor_failed' }, 'a gauge that goes away says so');
  await open.close();
  const count = readings.length;
  await t.rejects(gauge.open(listener), { code: 'sensor_failed' }, 'one that is not there is refused');
  t.equal(readings.length, count, 'and says nothing');

  await lab.plug();
  await lab.set(42);
  const again = await gauge.open(listener);
  await lab.set(42);
  await says(42);
  await again.close();
  t.equal(await again.ended, undefined, 'one that is closed ended without a reason');
  await again.close();
}
