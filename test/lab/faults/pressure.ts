import { existsSync, readFileSync } from 'node:fs';
import { systemClock } from '#ports/clock/system-clock.ts';

const FILE = '/proc/pressure/cpu';
const EVERY_MS = 200;

/** How busy the machine was, for frames that are missing because nobody could draw them. */
export interface Pressure {
  /** Share of the time in which something waited for a processor, 0 to 1; 0 where the kernel does not count it. */
  share(fromUs: number, toUs: number): number;
  stop(): void;
}

export function watchPressure(): Pressure {
  const clock = systemClock();
  const samples: { atUs: number; waitedUs: number }[] = [];
  const look = (): void => {
    const [, total] = /^some .* total=(\d+)/.exec(readFileSync(FILE, 'utf8')) ?? [];
    if (total !== undefined) samples.push({ atUs: clock.wallUs(), waitedUs: Number(total) });
  };
  const stop = existsSync(FILE) ? clock.every(EVERY_MS, 'pressure', look) : () => undefined;
  return {
    stop,
    share(fromUs, toUs) {
      const first = samples.findLast(({ atUs }) => atUs <= fromUs) ?? samples[0];
      const last = samples.find(({ atUs }) => atUs >= toUs) ?? samples.at(-1);
      if (!first || !last || last.atUs <= first.atUs) return 0;
      return (last.waitedUs - first.waitedUs) / (last.atUs - first.atUs);
    },
  };
}
