import type { RigSession } from '#contracts/session.ts';
import type { RecorderState } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Voice } from './voice.ts';

/** News that is older than this is no news: this service has just come back. */
const FRESH_US = 5_000_000;
/** The stop tone of the button comes before the stop. */
const STOP_HEARD_US = 10_000_000;

/** Tones for what happens to the rig, whoever asked for it. */
export interface SessionTones {
  saw(session: RigSession): void;
  sawRecorder(recorder: RecorderState): void;
}

export function createSessionTones(deps: {
  readonly clock: Clock;
  readonly voice: Pick<Voice, 'sound' | 'last'>;
  /** The start beep of the rig comes from this very loudspeaker. */
  readonly beepsItself: () => boolean;
}): SessionTones {
  const { clock, voice, beepsItself } = deps;
  let started: string | undefined;
  let stopped: string | undefined;
  let lockView: string | null | undefined;

  const isFresh = (at: string): boolean => clock.wallUs() - fromWireTime(at) < FRESH_US;

  return {
    saw({ session_uid, state, start_at, stop_at }) {
      if (state === 'recording' && start_at !== null && started !== session_uid) {
        started = session_uid;
        if (isFresh(start_at) && !beepsItself()) void voice.sound('start');
      }
      if (state === 'stopped' && stop_at !== null && stopped !== session_uid) {
        stopped = session_uid;
        const { last } = voice;
        const heard = last?.tone === 'stop' && clock.wallUs() - fromWireTime(last.at) < STOP_HEARD_US;
        if (isFresh(stop_at) && !heard) void voice.sound('stop');
      }
    },
    sawRecorder({ lock_view }) {
      const at = lock_view?.at ?? null;
      // The first word is about what was before.
      if (lockView !== undefined && at !== null && at !== lockView) void voice.sound('lock-view');
      lockView = at;
    },
  };
}
