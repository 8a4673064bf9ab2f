import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { DrivenLines, Gpio } from '#ports/gpio/gpio.ts';
import type { Beeper } from './beeper.ts';

/** A beeper with a tone of its own, on a GPIO line: it can be on or off. */
export function gpioBeeper(options: {
  readonly gpio: Gpio;
  readonly line: string;
  readonly clock: Clock;
}): Beeper {
  const { gpio, line, clock } = options;
  let lines: DrivenLines | undefined;
  return {
    async open() {
      lines ??= await gpio.drive([line], { activeLow: false });
    },
    async play(notes, signal) {
      const open = lines;
      if (open === undefined) throw new TouchlineError('panel_failed', `the beeper on ${line} is not open`);
      const set = (on: boolean): void => {
        try {
          open.set([on]);
        } catch (error) {
          // A chip that comes back has none of what was taken before.
          lines = undefined;
          throw error;
        }
      };
      let untilUs = clock.monoUs();
      try {
        for (const { hz, ms } of notes) {
          set(hz !== null);
          untilUs += ms * 1000;
          await clock.sleepUntil(untilUs, 'the next note', signal);
        }
      } finally {
        if (lines === open) set(false);
        // It throws what was thrown already.
        else await open.close().catch(() => undefined);
      }
    },
    async close() {
      const open = lines;
      lines = undefined;
      await open?.close();
    },
  };
}
