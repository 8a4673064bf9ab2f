import { TouchlineError } from '#contracts/errors.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { BatteryGauge } from './battery.ts';

const POLL_MS = 1000;

/** A gauge that has to be asked. */
export interface AskedGauge {
  /** A reading, or why what was answered is none. Throws `sensor_failed` when nobody answers. */
  ask(): Promise<GaugeReading | { readonly refused: string }>;
  close(): Promise<void>;
}

/** Asks a gauge at once and then every second, until it does not answer. */
export function polledBattery(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly connect: () => Promise<AskedGauge>;
}): BatteryGauge {
  const { name, clock, connect } = options;
  return {
    name,
    async open(listener) {
      const gauge = await connect();
      const ended = Promise.withResolvers<TouchlineError | undefined>();
      let closed = false;
      let stopAsking: () => void = () => undefined;
      const end = async (reason?: TouchlineError): Promise<void> => {
        if (closed) return;
        closed = true;
        stopAsking();
        // What is closed because it fails may fail to close: that adds nothing.
        await gauge.close().catch(() => undefined);
        ended.resolve(reason);
      };
      const ask = async (): Promise<void> => {
        const answer = await gauge.ask();
        if (closed) return;
        if ('refused' in answer) listener.refused(answer.refused);
        else listener.reading(answer);
      };
      try {
        await ask();
      } catch (error) {
        await gauge.close().catch(() => undefined);
        throw asSensorError(name, error);
      }
      stopAsking = clock.every(POLL_MS, name, () => ask().catch((error) => end(asSensorError(name, error))));
      return { ended: ended.promise, close: () => end() };
    },
  };
}

export function asSensorError(name: string, error: unknown): TouchlineError {
  if (error instanceof TouchlineError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new TouchlineError('sensor_failed', `${name}: ${why}`, { cause: error });
}
