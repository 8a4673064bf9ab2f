import { TouchlineError } from '#contracts/errors.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';
import type { BatteryGauge, BatteryListener } from './battery.ts';

/** A gauge that says what a test makes it say. */
export interface SimulatedBattery extends BatteryGauge {
  /** Whether somebody listens. */
  readonly listening: boolean;
  say(reading: GaugeReading): void;
  sayGarbage(why: string): void;
  unplug(): void;
  plug(): void;
}

export function simulatedBattery(): SimulatedBattery {
  const name = 'the simulated battery';
  let there = true;
  let current: { listener: BatteryListener; end(reason?: TouchlineError): void } | undefined;
  const gone = (): TouchlineError => new TouchlineError('sensor_failed', `${name} is not there`);
  return {
    name,
    get listening() {
      return current !== undefined;
    },
    async open(listener) {
      if (!there) throw gone();
      const ended = Promise.withResolvers<TouchlineError | undefined>();
      const mine = {
        listener,
        end(reason?: TouchlineError) {
          if (current === mine) current = undefined;
          ended.resolve(reason);
        },
      };
      current = mine;
      return { ended: ended.promise, close: async () => mine.end() };
    },
    say: (reading) => current?.listener.reading(reading),
    sayGarbage: (why) => current?.listener.refused(why),
    unplug() {
      there = false;
      current?.end(gone());
    },
    plug() {
      there = true;
    },
  };
}
