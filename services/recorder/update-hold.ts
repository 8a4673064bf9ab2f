import type { TouchlineError } from '#contracts/errors.ts';
import type { RecorderState } from '#contracts/states.ts';
import type { GateReadings } from '#domain/gates/gates.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { UpdateLock } from '#ports/update-lock/update-lock.ts';
import type { Logger } from '#runtime/logger.ts';

/** The update lock as the recorder uses it: what cannot be locked is told, and recorded all the same. */
export interface UpdateHold {
  /** Synchronous, so that between this and what is then begun no update can. */
  take(reason: string): void;
  release(): void;
  /** Takes over what a recorder that died held: the session it was in may go on. */
  adopt(): void;
  /** Regularly: takes what could not be had before, and gives back what nobody needs. */
  look(busy: boolean): void;
  reading(): GateReadings['update'];
  state(): RecorderState['update_lock'];
}

/** A recorder that has just started knows by then whether the rig is in a session. */
const ADOPTED_US = 10_000_000;

export function createUpdateHold(deps: { lock: UpdateLock; clock: Clock; log: Logger }): UpdateHold {
  const { lock, clock, log } = deps;
  let problem: TouchlineError | undefined;
  let keepUntilUs = 0;

  const take = (reason: string): void => {
    const outcome = lock.take(reason);
    if (outcome.kind === 'taken') log.warn({ by: outcome.by }, 'an update is being applied');
    const failed = outcome.kind === 'failed' ? outcome.error : undefined;
    if (failed && failed.message !== problem?.message)
      log.error({ err: failed }, 'recording goes on without the update lock');
    if (outcome.kind !== 'taken') problem = failed;
  };

  return {
    take,
    release: () => lock.release(),
    adopt() {
      if (!lock.adopt('a recorder has started again: its session may go on')) return;
      keepUntilUs = clock.monoUs() + ADOPTED_US;
      log.warn('the recorder before this one ended while it held the update lock');
    },
    look(busy) {
      if (busy && !lock.held) take('a session is open');
      else if (!busy && lock.held && clock.monoUs() > keepUntilUs) lock.release();
    },
    reading() {
      const by = lock.others();
      return { applying: by ? `${by.owner}: ${by.reason}` : null, problem: problem?.message ?? null };
    },
    state: () => ({
      held: lock.held !== undefined,
      reason: lock.held?.reason ?? null,
      problem: problem?.toWire() ?? null,
    }),
  };
}
