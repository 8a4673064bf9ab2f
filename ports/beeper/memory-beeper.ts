import { TouchlineError } from '#contracts/errors.ts';
import type { Note } from '#domain/signals/tones.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Beeper } from './beeper.ts';

/** A beeper in memory, for tests: what it played, and when it began; it can be pulled out. */
export interface MemoryBeeper extends Beeper {
  readonly played: readonly { readonly notes: readonly Note[]; readonly monoUs: number }[];
  readonly sounding: boolean;
  setPresent(present: boolean): void;
}

export function memoryBeeper(clock: Clock): MemoryBeeper {
  const played: { notes: readonly Note[]; monoUs: number }[] = [];
  let present = true;
  let open = false;
  let sounding = false;
  const look = (): void => {
    if (!present) throw new TouchlineError('panel_failed', 'the beeper is not there');
  };
  return {
    played,
    get sounding() {
      return sounding;
    },
    async open() {
      look();
      open = true;
    },
    async play(notes, signal) {
      look();
      if (!open) throw new TouchlineError('panel_failed', 'the beeper is not open');
      played.push({ notes, monoUs: clock.monoUs() });
      let untilUs = clock.monoUs();
      try {
        for (const { hz, ms } of notes) {
          sounding = hz !== null;
          untilUs += ms * 1000;
          await clock.sleepUntil(untilUs, 'the next note', signal);
        }
      } finally {
        sounding = false;
      }
    },
    async close() {
      open = false;
    },
    setPresent(value) {
      present = value;
    },
  };
}
