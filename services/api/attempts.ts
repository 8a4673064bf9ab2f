import { z } from 'zod';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';

/** Wrong PINs in a row, kept over restarts. */
export interface Attempts {
  /** Before a PIN is looked at. Throws `rate_limited` with the seconds to wait. */
  begin(): Promise<void>;
  /** It was the right one. */
  succeeded(): Promise<void>;
}

const FILE = 'pin-attempts.json';
const Kept = z.object({ wrong: z.int().min(0) });

/** People mistype; from then on each wrong PIN doubles the pause. */
const FREE = 3;
/** A minute each, all PINs of eight digits take two centuries; a person who knows it waits a minute at most. */
const LONGEST_PAUSE_SEC = 60;

/**
 * The pause is shared by all callers: addresses cost an attacker on the same network nothing. It is counted from the start of the
 * service again, so that neither a restart nor a stepped clock shortens it.
 */
export function createAttempts({ state, clock }: { readonly state: Disk; readonly clock: Clock }): Attempts {
  let wrong: number | undefined;
  let notBeforeUs = 0;

  const pause = (count: number): void => {
    const sec = count < FREE ? 0 : Math.min(LONGEST_PAUSE_SEC, 2 ** (count - FREE));
    notBeforeUs = clock.monoUs() + sec * 1e6;
  };
  const load = async (): Promise<number> => {
    const text = await readText(state, FILE);
    const kept = text === undefined ? 0 : parseOrThrow(Kept, JSON.parse(text), 'internal', FILE).wrong;
    pause(kept);
    return kept;
  };
  let loading: Promise<number> | undefined;

  return {
    async begin() {
      loading ??= load();
      const before = wrong ?? (await loading);
      wrong ??= before;
      const waitSec = Math.ceil((notBeforeUs - clock.monoUs()) / 1e6);
      if (waitSec > 0)
        throw new TouchlineError('rate_limited', `${wrong} wrong PINs: wait ${waitSec} s`, {
          details: { retry_after_sec: waitSec },
        });
      // Counted before it is known: whoever pulls the plug in between has tried all the same.
      wrong++;
      pause(wrong);
      await state.replace(FILE, JSON.stringify({ wrong }));
    },
    async succeeded() {
      wrong = 0;
      notBeforeUs = 0;
      await state.replace(FILE, JSON.stringify({ wrong }));
    },
  };
}
