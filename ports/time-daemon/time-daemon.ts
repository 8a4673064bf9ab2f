import type { ChronyFiles } from '#domain/chrony/config.ts';
import type { ClockSample } from '#domain/chrony/sock-sample.ts';
import type { Tracking } from '#domain/chrony/tracking.ts';

/** A daemon that disciplines the clock of this machine: chronyd. */
export interface TimeDaemon {
  /** Where it keeps its files; its configuration names them. */
  readonly files: ChronyFiles & { readonly gnssSocket: string };
  /**
   * Starts it with the text of its configuration, and waits until it answers. One that an earlier run of this program left behind is ended
   * first. Throws `program_missing`, `clock_not_permitted`, or `time_daemon_failed` with its last words.
   */
  start(config: string): Promise<RunningDaemon>;
  /** The IP address of a host: a configuration that names one nobody knows is refused. Undefined when nobody knows it now. */
  resolve(host: string): Promise<string | undefined>;
  /** Sets the clock, microseconds since 1970. Throws `clock_not_permitted`, `time_daemon_failed`. */
  setClock(epochUs: number): Promise<void>;
}

export interface RunningDaemon {
  /** Resolves with the reason when it ended, `undefined` when it was stopped. */
  readonly ended: Promise<string | undefined>;
  /** Throws `time_daemon_failed` when it does not answer, or says what cannot be. */
  tracking(): Promise<Tracking>;
  /** A measurement of a clock outside, for the reference `SOCK` of the configuration. Whether it counts is up to the daemon. */
  addSample(sample: ClockSample): Promise<void>;
  stop(): Promise<void>;
}
