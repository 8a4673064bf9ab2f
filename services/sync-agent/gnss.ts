import { TouchlineError, type WireError } from '#contracts/errors.ts';
import { parseRmc } from '#domain/chrony/nmea.ts';
import type { ClockSample } from '#domain/chrony/sock-sample.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { GnssReceiver, OpenReceiver } from '#ports/gnss/gnss.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** Brings what a GNSS receiver says to chronyd. */
export interface GnssFeed extends Unit {
  readonly warning: WireError | undefined;
}

const LOOK_EVERY_MS = 5000;
/** A receiver speaks once a second, with or without a fix. */
const SILENT_AFTER_US = 10_000_000;

export function createGnssFeed(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly receiver: GnssReceiver;
  readonly onSample: (sample: ClockSample) => void;
}): GnssFeed {
  const { clock, log, receiver } = deps;
  let open: OpenReceiver | undefined;
  let failure: TouchlineError | undefined;
  let heardMonoUs = clock.monoUs();
  let stopLooking: (() => void) | undefined;

  const fail = (error: TouchlineError): void => {
    if (failure?.message !== error.message) log.error({ err: error }, error.message);
    failure = error;
  };

  const hear = (line: string, atMonoUs: number): void => {
    const rmc = parseRmc(line);
    if (rmc === undefined) return;
    heardMonoUs = clock.monoUs();
    failure = undefined;
    if (!rmc.fix) return;
    const wallUs = wallAt(clock, atMonoUs);
    deps.onSample({ wallUs, aheadUs: rmc.utcUs - wallUs });
  };

  const connect = async (): Promise<void> => {
    try {
      const opened = await receiver.open(hear);
      open = opened;
      void opened.ended.then((reason) => {
        if (open === opened) open = undefined;
        if (reason !== undefined)
          fail(new TouchlineError('gnss_failed', `the GNSS receiver is gone: ${reason}`));
      });
    } catch (error) {
      fail(
        error instanceof TouchlineError
          ? error
          : new TouchlineError('gnss_failed', 'the GNSS receiver failed', { cause: error }),
      );
    }
  };

  const look = async (): Promise<void> => {
    if (open === undefined) await connect();
    else if (clock.monoUs() - heardMonoUs > SILENT_AFTER_US)
      fail(new TouchlineError('gnss_failed', 'the GNSS receiver sends no RMC sentence'));
  };

  return {
    get warning() {
      return failure?.toWire();
    },
    async start() {
      stopLooking = clock.every(LOOK_EVERY_MS, 'GNSS receiver', look);
      await connect();
    },
    async stop() {
      stopLooking?.();
      await open?.close();
    },
  };
}
