import { TouchlineError } from '#contracts/errors.ts';
import {
  type BatteryRun,
  type GaugeReading,
  minutesLeft,
  NO_BATTERY_RUN,
  takeReading,
} from '#domain/health/battery-run.ts';
import type { BatteryGauge, OpenBattery } from '#ports/battery/battery.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** Without a word that is believed for so long, nothing is known of the battery any more. */
export const SILENT_AFTER_US = 10_000_000;
const OPEN_LIMIT_MS = 5000;
const RETRY_FIRST_MS = 1000;
const RETRY_LAST_MS = 30_000;

export interface KnownBattery extends GaugeReading {
  readonly minutesLeft: number | null;
  readonly readMonoUs: number;
}

/** Listens to the gauge, opens it again when it is gone, and knows what of it to believe. */
export interface BatteryWatch extends Unit {
  /** Null when nothing is known, with `failure` saying why; undefined while it is too early to say. */
  readonly battery: KnownBattery | null | undefined;
  readonly failure: TouchlineError | undefined;
}

export function watchBattery(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly gauge: BatteryGauge;
}): BatteryWatch {
  const { clock, log, gauge } = deps;
  const control = new AbortController();
  const { signal } = control;
  let run: BatteryRun = NO_BATTERY_RUN;
  let since = clock.monoUs();
  let gone: TouchlineError | undefined;
  let refused: { readonly why: string; readonly count: number } | undefined;
  let watching = Promise.resolve();
  /** Whether anything was believed since it was opened: then the next attempt to open it comes soon. */
  let spoke = false;

  const listener = {
    reading(reading: GaugeReading) {
      const before = run.believed;
      run = takeReading(run, reading, clock.monoUs());
      if (run.believed === before) {
        // Each doubt is told once, and the first reading of all, which waits for the second, is none.
        if (before && run.doubted?.confirmed === 0)
          log.warn(
            { reading, believed: before },
            `${gauge.name}: a reading is doubted until others confirm it`,
          );
        return;
      }
      gone = undefined;
      refused = undefined;
      spoke = true;
    },
    refused(why: string) {
      if (!refused) log.warn(`${gauge.name} sent ${why}`);
      refused = { why, count: (refused?.count ?? 0) + 1 };
    },
  };
  const note = (error: unknown): void => {
    const reason =
      error instanceof TouchlineError
        ? error
        : new TouchlineError('sensor_failed', `${gauge.name}: ${String(error)}`, { cause: error });
    if (gone?.message !== reason.message) log.error({ err: reason }, reason.message);
    gone = reason;
  };

  /** A port that opens after nobody waits for it any more is closed again. */
  const open = async (): Promise<OpenBattery> => {
    const opening = gauge.open(listener);
    const limit = new AbortController();
    const late = clock
      .sleepUntil(clock.monoUs() + OPEN_LIMIT_MS * 1000, gauge.name, AbortSignal.any([signal, limit.signal]))
      .then(() => {
        throw new TouchlineError(
          'sensor_failed',
          `${gauge.name} does not open: ${OPEN_LIMIT_MS / 1000} s were waited for`,
        );
      });
    try {
      return await Promise.race([opening, late]);
    } catch (error) {
      void opening.then(
        (opened) => opened.close(),
        () => undefined,
      );
      throw error;
    } finally {
      limit.abort(new Error('no longer waited for'));
      await late.catch(() => undefined);
    }
  };
  const listenOnce = async (): Promise<void> => {
    spoke = false;
    const opened = await open();
    const close = (): void => void opened.close().catch(note);
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    const reason = await opened.ended;
    signal.removeEventListener('abort', close);
    if (reason) throw reason;
  };
  const loop = async (): Promise<void> => {
    let retryMs = RETRY_FIRST_MS;
    while (!signal.aborted) {
      await listenOnce().catch((error: unknown) => {
        if (!signal.aborted) note(error);
      });
      retryMs = spoke ? RETRY_FIRST_MS : retryMs;
      await clock.sleepUntil(clock.monoUs() + retryMs * 1000, gauge.name, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      retryMs = Math.min(retryMs * 2, RETRY_LAST_MS);
    }
  };
  const silent = (): TouchlineError => {
    const heard = refused
      ? `says nothing that can be believed: ${refused.count} times ${refused.why}`
      : run.doubted
        ? 'says things that contradict each other'
        : 'says nothing';
    return new TouchlineError('sensor_failed', `${gauge.name} ${heard}`, { field: 'sensors.battery' });
  };
  const known = (): (GaugeReading & { readonly monoUs: number }) | undefined =>
    run.believed && clock.monoUs() - run.believed.monoUs <= SILENT_AFTER_US ? run.believed : undefined;

  return {
    get battery() {
      const reading = known();
      if (!reading) return clock.monoUs() - since > SILENT_AFTER_US || gone ? null : undefined;
      const { percent, volts, charging, monoUs } = reading;
      return { percent, volts, charging, minutesLeft: minutesLeft(run), readMonoUs: monoUs };
    },
    get failure() {
      if (known()) return undefined;
      return gone ?? (clock.monoUs() - since > SILENT_AFTER_US ? silent() : undefined);
    },
    async start() {
      since = clock.monoUs();
      watching = loop();
    },
    async stop() {
      control.abort(new TouchlineError('shutting_down', 'health is stopping'));
      await watching;
    },
  };
}
