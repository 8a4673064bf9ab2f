import { TouchlineError } from '#contracts/errors.ts';
import type { ToneName } from '#contracts/signals.ts';
import { toWireTime } from '#contracts/time.ts';
import { NEVER_MUTED, TONES } from '#domain/signals/tones.ts';
import type { Beeper } from '#ports/beeper/beeper.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Logger } from '#runtime/logger.ts';

/** The longest tone lasts a second. */
const TONE_LIMIT_US = 4_000_000;

/** Sounds the tones, one at a time. */
export interface Voice {
  readonly state: {
    readonly state: 'none' | 'working' | 'failed';
    readonly reason: string | null;
    /** Whether the last tone was heard to its end. */
    readonly sounded: boolean;
  };
  readonly last: { readonly tone: ToneName; readonly at: string } | null;
  muted: boolean;
  /** Resolves when it has sounded, or could not: that is told in `state`. */
  sound(tone: ToneName): Promise<void>;
  /** Takes the beeper, unless it works. */
  open(): Promise<void>;
  close(): Promise<void>;
}

export function createVoice(deps: {
  /** None where the node has none. */
  readonly beeper: Beeper | undefined;
  readonly muted: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange: () => void;
}): Voice {
  const { beeper, clock, log, onChange } = deps;
  const control = new AbortController();
  let muted = deps.muted;
  let last: Voice['last'] = null;
  let failure: TouchlineError | undefined;
  let open = false;
  let sounded = false;
  /** A sound card opens for each tone alone: after one that failed, only the next one shows whether it works. */
  let unproven = false;
  let tones = Promise.resolve();

  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      if (!unproven) {
        if (failure !== undefined) log.info('the beeper works again');
        failure = undefined;
      }
    } catch (error) {
      if (control.signal.aborted) return;
      open = false;
      const known =
        error instanceof TouchlineError
          ? error
          : new TouchlineError('panel_failed', (error as Error).message, { cause: error });
      if (failure?.message !== known.message) log.error({ err: known }, 'the beeper does not work');
      failure = known;
    }
    onChange();
  };
  const take = async (): Promise<void> => {
    if (open || beeper === undefined) return;
    await beeper.open();
    open = true;
  };
  /** A sound card that hangs must not keep the rig from stopping: its stop waits for the tone. */
  const inTime = async (play: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    const over = new AbortController();
    const signal = AbortSignal.any([control.signal, over.signal]);
    const late = clock.sleepUntil(clock.monoUs() + TONE_LIMIT_US, 'the end of a tone', signal).then(
      () => {
        throw new TouchlineError(
          'panel_failed',
          `the beeper did not end its tone in ${TONE_LIMIT_US / 1e6} s`,
        );
      },
      () => undefined,
    );
    sounded = false;
    unproven = true;
    try {
      await Promise.race([play(signal), late]);
      sounded = true;
      unproven = false;
    } finally {
      over.abort();
    }
  };
  /** One after the other: a beeper has one voice. */
  const queue = (work: () => Promise<void>): Promise<void> => {
    tones = tones.then(() => (control.signal.aborted ? undefined : attempt(work)));
    return tones;
  };

  return {
    get state(): Voice['state'] {
      if (beeper === undefined) return { state: 'none', reason: null, sounded };
      return failure === undefined
        ? { state: 'working', reason: null, sounded }
        : { state: 'failed', reason: failure.message, sounded };
    },
    get last() {
      return last;
    },
    get muted() {
      return muted;
    },
    set muted(value) {
      muted = value;
    },
    sound(tone) {
      if (beeper === undefined || (muted && !NEVER_MUTED.includes(tone))) return Promise.resolve();
      return queue(async () => {
        await take();
        last = { tone, at: toWireTime(Math.round(clock.wallUs())) };
        await inTime((signal) => beeper.play(TONES[tone], signal));
      });
    },
    async open() {
      // One that failed when it played shows with the next tone whether it works again.
      if (!open && beeper !== undefined) await queue(take);
    },
    async close() {
      control.abort(new TouchlineError('shutting_down', 'signals is stopping'));
      await tones;
      await beeper?.close();
    },
  };
}
