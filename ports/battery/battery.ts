import type { TouchlineError } from '#contracts/errors.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';

/** What a gauge tells, about once a second. */
export interface BatteryListener {
  reading(reading: GaugeReading): void;
  /** Something came that is no reading; why, in words. */
  refused(why: string): void;
}

/** The gauge of a battery. It tells what it is told: what of that is believed is decided elsewhere. */
export interface BatteryGauge {
  /** What it is and where, for people. */
  readonly name: string;
  /** Listens from now on. Throws `sensor_failed` when there is no such gauge. */
  open(listener: BatteryListener): Promise<OpenBattery>;
}

export interface OpenBattery {
  /** Resolves with the reason (`sensor_failed`) when it ended by itself, `undefined` when it was closed. */
  readonly ended: Promise<TouchlineError | undefined>;
  /** Safe to call twice. */
  close(): Promise<void>;
}
