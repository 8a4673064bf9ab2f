import { TouchlineError } from '#contracts/errors.ts';
import type { ClockSample } from '#domain/chrony/sock-sample.ts';
import { parseTracking } from '#domain/chrony/tracking.ts';
import type { TimeDaemon } from './time-daemon.ts';

/** A time daemon in memory, with the moods of a real one. */
export interface SimulatedDaemon extends TimeDaemon {
  /** Configurations it was started with, in order. */
  readonly configs: readonly string[];
  readonly running: boolean;
  /** Times the clock was set to, microseconds since 1970. */
  readonly set: readonly number[];
  readonly samples: readonly ClockSample[];
  /** The line of `chronyc -c tracking` from now on. */
  says(line: string): void;
  /** The running one ends by itself. */
  die(reason: string): void;
  /** Starts fail with this; undefined: they work again. */
  refuse(error: TouchlineError | undefined): void;
}

/** `chronyc -c tracking` of a clock that is served as it is. */
export const LOCAL_TRACKING =
  '7F7F0101,,8,1710511200.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal';

export function simulatedDaemon(): SimulatedDaemon {
  const configs: string[] = [];
  const set: number[] = [];
  const samples: ClockSample[] = [];
  let line = LOCAL_TRACKING;
  let refusal: TouchlineError | undefined;
  let end: ((reason: string | undefined) => void) | undefined;

  return {
    files: {
      commandSocket: '/run/chronyd.sock',
      pidFile: '/run/chronyd.pid',
      driftFile: '/state/chrony.drift',
      gnssSocket: '/run/gnss.sock',
    },
    configs,
    set,
    samples,
    get running() {
      return end !== undefined;
    },
    says(text) {
      line = text;
    },
    die(reason) {
      end?.(reason);
    },
    refuse(error) {
      refusal = error;
    },
    async start(config) {
      if (refusal) throw refusal;
      if (/^bogus/m.test(config))
        throw new TouchlineError('time_daemon_failed', 'chronyd does not run: Invalid directive');
      configs.push(config);
      const ended = Promise.withResolvers<string | undefined>();
      const own = (reason: string | undefined): void => {
        if (end === own) end = undefined;
        ended.resolve(reason);
      };
      end = own;
      return {
        ended: ended.promise,
        async tracking() {
          if (end !== own)
            throw new TouchlineError('time_daemon_failed', 'chronyc tracking failed: no connection');
          return parseTracking(line);
        },
        addSample: async (sample) => void samples.push(sample),
        stop: async () => own(undefined),
      };
    },
    resolve: async (host) => host,
    async setClock(epochUs) {
      if (refusal) throw refusal;
      set.push(epochUs);
    },
  };
}
