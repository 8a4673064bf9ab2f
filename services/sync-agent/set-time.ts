import { TouchlineError } from '#contracts/errors.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { TimeDaemon } from '#ports/time-daemon/time-daemon.ts';
import type { Logger } from '#runtime/logger.ts';
import type { ClockKeeper } from './clock-keeper.ts';
import type { Mastership } from './mastership.ts';

/** The kernel whose clock is set: it was set by hand, or followed something. */
const MARKER = 'sync-agent/clock-set.json';
/** A phone is no better than this: a clock that is closer is left alone. */
const CLOSE_ENOUGH_MS = 2000;

/** Sets the clock of a master that has never known the time since its start: there is no battery clock, and nothing to follow. */
export interface TimeSetter {
  /**
   * `toUs`: what time it is, microseconds since 1970. Returns by how much the clock was stepped, milliseconds. Throws `already_recording`, `conflict` on
   * a node that is not the master, `clock_already_set`, `clock_not_permitted`.
   */
  set(toUs: number): Promise<number>;
  /** Remembers, over restarts of this program, that the clock of this kernel has been right once. */
  noteFollowed(): Promise<void>;
}

export function createTimeSetter(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly daemon: TimeDaemon | undefined;
  readonly keeper: ClockKeeper | undefined;
  readonly mastership: Mastership;
  readonly recording: () => boolean;
  readonly state: Disk | undefined;
}): TimeSetter {
  const { clock, log, daemon, keeper, mastership, state } = deps;
  let noted = false;

  const note = async (): Promise<void> => {
    noted = true;
    await state?.replace(MARKER, `${JSON.stringify({ boot_id: clock.bootId })}\n`);
  };
  const wasSet = async (): Promise<boolean> => {
    if (noted || keeper?.everFollowed) return true;
    const text = state && (await readText(state, MARKER));
    return text?.includes(JSON.stringify(clock.bootId)) ?? false;
  };

  return {
    async set(toUs) {
      const askedUs = clock.monoUs();
      if (deps.recording())
        throw new TouchlineError('already_recording', 'the clock is not set while the rig records');
      if (!mastership.isMaster)
        throw new TouchlineError(
          'conflict',
          `this node follows ${mastership.master}: the clock is set there`,
          { details: { master: mastership.master } },
        );
      if (!daemon)
        throw new TouchlineError(
          'clock_not_permitted',
          'the clock belongs to the operating system (sync.clock: system)',
          { remedy: 'Set the clock of the operating system, or sync.clock to chronyd.' },
        );
      if (await wasSet())
        throw new TouchlineError('clock_already_set', 'the clock has been set since this node started');
      const nowUs = clock.monoUs();
      const targetUs = toUs + (nowUs - askedUs);
      const stepMs = (targetUs - wallAt(clock, nowUs)) / 1000;
      if (Math.abs(stepMs) <= CLOSE_ENOUGH_MS) return 0;
      await daemon.setClock(targetUs);
      log.warn({ step_ms: stepMs }, 'the clock was set by hand');
      await note();
      return stepMs;
    },
    async noteFollowed() {
      if (!noted && keeper?.everFollowed) await note();
    },
  };
}
