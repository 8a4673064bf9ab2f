import { type Disk, readText } from '#ports/disk/disk.ts';
import type { HostClock } from '#ports/host-clock/host-clock.ts';
import type { Logger } from '#runtime/logger.ts';

const MARKER = 'sync-agent/host-clock.json';

/**
 * Who has the clock: the host's own service or this program. That it was taken is written down first, so that the run after a crash knows what
 * it has to give back.
 */
export interface HostUnit {
  /** Stops the host's service. Throws `host_clock_refused`, and what the disk throws. */
  takeOver(): Promise<void>;
  /** Starts it again if it was taken, in this run or in one that crashed. */
  giveBack(): Promise<void>;
}

export function createHostUnit(deps: {
  readonly hostClock: HostClock | undefined;
  readonly unit: string | undefined;
  readonly state: Disk | undefined;
  readonly log: Logger;
}): HostUnit {
  const { hostClock, unit, state, log } = deps;

  const taken = async (): Promise<string | undefined> => {
    const text = state && (await readText(state, MARKER));
    if (text === undefined) return undefined;
    try {
      const { unit: kept } = JSON.parse(text) as { unit?: unknown };
      return typeof kept === 'string' ? kept : undefined;
    } catch {
      // Half a file cannot be: it is replaced whole. Somebody else wrote there.
      return undefined;
    }
  };

  return {
    async takeOver() {
      if (!hostClock || unit === undefined) return;
      await state?.replace(MARKER, `${JSON.stringify({ unit })}\n`);
      await hostClock.stop(unit);
      log.info({ unit }, "took the clock over from the host's service");
    },
    async giveBack() {
      const kept = await taken();
      if (!hostClock || kept === undefined) return;
      await hostClock.start(kept);
      await state?.remove(MARKER);
      log.info({ unit: kept }, "gave the clock back to the host's service");
    },
  };
}
