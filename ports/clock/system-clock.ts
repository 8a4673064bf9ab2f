import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/** A wait longer than this is cut in pieces: a timer drifts, and its argument has 31 bits. */
const LONGEST_TIMER_MS = 60_000;
/** Below this a wait polls the clock instead of a timer, which is a millisecond coarse. */
const SPIN_BELOW_US = 1_500;
/** How often the wall clock is compared with the monotonic one again. */
const RECALIBRATE_US = 1_000_000;
/** JavaScript's wall clock is behind by up to a millisecond; further from what is expected, something set it, or the machine got in between. */
const WHOLE_MS_US = 1_000;
const SUSPICIOUS_US = 1_000;
/** A reading is repeated while the machine gets between its two clocks for longer than this. */
const GOOD_ENOUGH_US = 5;
const ATTEMPTS_FIRST = 20;
const ATTEMPTS_AGAIN = 3;

/**
 * The clocks of this machine. JavaScript reads the wall clock in whole milliseconds only, so its offset to the
 * monotonic clock is measured at the edge of a millisecond and applied to the monotonic count.
 */
export function systemClock(): Clock {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  let wall = calibrate(ATTEMPTS_FIRST);

  const monoUs = (): number => Number(process.hrtime.bigint() / 1000n);
  let checkedUs = monoUs();
  return {
    bootId,
    monoUs,
    wallUs() {
      const now = monoUs();
      const behindUs = now + wall.offsetUs - Date.now() * 1000;
      const suspicious =
        behindUs < -SUSPICIOUS_US - wall.errorUs || behindUs > WHOLE_MS_US + SUSPICIOUS_US + wall.errorUs;
      if (suspicious || now - checkedUs > RECALIBRATE_US) {
        checkedUs = now;
        const next = calibrate(ATTEMPTS_AGAIN);
        // Both clocks run at one rate, so a worse reading is no news; one that contradicts the best so far is a step.
        const stepped = Math.abs(next.offsetUs - wall.offsetUs) > next.errorUs + wall.errorUs;
        if (stepped || next.errorUs < wall.errorUs) wall = next;
      }
      return monoUs() + wall.offsetUs;
    },
    get readErrorUs() {
      return wall.errorUs;
    },
    async sleepUntil(targetUs, _name, signal) {
      for (;;) {
        signal?.throwIfAborted();
        const leftUs = targetUs - monoUs();
        if (leftUs <= 0) return;
        if (leftUs < SPIN_BELOW_US) await new Promise<void>((resolve) => setImmediate(resolve));
        else
          await delay(Math.min((leftUs - SPIN_BELOW_US) / 1000 + 0.5, LONGEST_TIMER_MS), undefined, {
            signal,
          }).catch(rethrowReason(signal));
      }
    },
    every(intervalMs, _name, tick) {
      let timer: NodeJS.Timeout | undefined;
      let running = true;
      const run = async (): Promise<void> => {
        await tick();
        if (running) timer = setTimeout(start, intervalMs);
      };
      // A tick that throws is a defect: it must end the program with its reason, not the timer in silence.
      const start = (): void => {
        run().catch((error: unknown) => {
          setImmediate(() => {
            throw error;
          });
        });
      };
      timer = setTimeout(start, intervalMs);
      return () => {
        running = false;
        clearTimeout(timer);
      };
    },
  };
}

function rethrowReason(signal: AbortSignal | undefined): (error: unknown) => never {
  return (error) => {
    signal?.throwIfAborted();
    throw error;
  };
}

/** Offset of the wall clock to the monotonic clock, caught where the millisecond changes; an attempt takes 1 ms at most. */
function calibrate(attempts: number): { offsetUs: number; errorUs: number } {
  let best = { offsetUs: 0, errorUs: Number.POSITIVE_INFINITY };
  for (let attempt = 0; attempt < attempts && best.errorUs > GOOD_ENOUGH_US; attempt++) {
    let before = process.hrtime.bigint();
    const first = Date.now();
    for (;;) {
      const between = process.hrtime.bigint();
      const now = Date.now();
      const after = process.hrtime.bigint();
      // The edge lies between the two readings of the wall clock, each of which may have waited before or after its own.
      if (now !== first) {
        const errorUs = Math.ceil(Number(after - before) / 1000);
        const middleUs = Number((before + after) / 2n) / 1000;
        if (errorUs < best.errorUs) best = { offsetUs: Math.round(now * 1000 - middleUs), errorUs };
        break;
      }
      before = between;
    }
  }
  return best;
}
