import { TouchlineError, type WireError } from '#contracts/errors.ts';
import type { SessionUid } from '#contracts/ids.ts';
import type { RigSession } from '#contracts/session.ts';
import { fromWireTime } from '#contracts/time.ts';
import { beepSamples } from '#domain/alignment/beep.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Speaker } from '#ports/sound/speaker.ts';
import type { Logger } from '#runtime/logger.ts';

const RATE_HZ = 48_000;
/** What is told of its instant is known to about a frame; otherwise nothing is told, and only who hears it knows. */
const CERTAIN_US = 35_000;

/** The start beep: once for each session, at its instant, by the master, so that every audio track has heard the same sound. */
export interface StartBeep {
  /** The rig's record, whoever wrote it. */
  saw(session: RigSession): void;
  /** Why the last one was not heard. */
  readonly warning: WireError | undefined;
}

export function createStartBeep(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly speaker: Speaker;
  readonly signal: AbortSignal;
  readonly isMaster: () => boolean;
  readonly monoOfMaster: (masterUs: number) => number | undefined;
  /** It sounded: when its first sample left. */
  readonly onBeep: (sessionUid: SessionUid, monoUs: number) => void;
}): StartBeep {
  const { clock, log, speaker, signal } = deps;
  let last: SessionUid | undefined;
  let failure: TouchlineError | undefined;

  const sound = async (session: SessionUid, atMonoUs: number): Promise<void> => {
    try {
      const played = await speaker.play({ samples: beepSamples(RATE_HZ), rateHz: RATE_HZ }, atMonoUs, signal);
      failure = undefined;
      if (played.uncertaintyUs <= CERTAIN_US) deps.onBeep(session, played.monoUs);
      else log.warn(played, 'the start beep sounded, but when is not known well enough to be told');
    } catch (error) {
      if (signal.aborted) return;
      failure =
        error instanceof TouchlineError
          ? error
          : new TouchlineError('internal', 'the start beep failed', { cause: error });
      log.error({ err: failure }, 'the start beep was not heard');
    }
  };

  return {
    saw({ session_uid, state, start_at }) {
      if (state !== 'recording' || start_at === null || session_uid === last || !deps.isMaster()) return;
      const atMonoUs = deps.monoOfMaster(fromWireTime(start_at));
      // A node that comes back into a running session must not sound into it.
      if (atMonoUs === undefined || atMonoUs <= clock.monoUs()) return;
      last = session_uid;
      void sound(session_uid, atMonoUs);
    },
    get warning() {
      return failure?.toWire();
    },
  };
}
