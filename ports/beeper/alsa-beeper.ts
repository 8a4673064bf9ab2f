import { noteSamples } from '#domain/signals/tones.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Speaker } from '#ports/sound/speaker.ts';
import type { Beeper } from './beeper.ts';

const RATE_HZ = 48_000;

/** A loudspeaker as a beeper. It is opened for each tone: the start beep may need it in between. */
export function alsaBeeper(options: { readonly speaker: Speaker; readonly clock: Clock }): Beeper {
  const { speaker, clock } = options;
  return {
    // Whether there is one shows when it has to play: opening it earlier would keep it from others.
    open: () => Promise.resolve(),
    async play(notes, signal) {
      await speaker.play({ samples: noteSamples(notes, RATE_HZ), rateHz: RATE_HZ }, clock.monoUs(), signal);
    },
    close: () => Promise.resolve(),
  };
}
