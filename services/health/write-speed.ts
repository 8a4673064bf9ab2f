import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** How fast the recording disk takes what has to be on it: measured seldom, and never while anything is recorded or about to be. */
export interface WriteSpeed extends Unit {
  readonly mbps: number | undefined;
  readonly failure: TouchlineError | undefined;
}

const LOOK_EVERY_MS = 5000;
/** Somebody may be about to start. */
const IDLE_FOR_US = 60_000_000;
/** Of a disk's endurance of hundreds of terabytes this takes nothing. */
const AGAIN_AFTER_US = 6 * 3600e6;
/** Four syncs of what the recorder would write in a second at its highest bitrate. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const CHUNKS = 4;
/** A disk that is nearly full keeps what it has for a recording. */
const LEAST_FREE_BYTES = 1e9;
const FILE = 'write-speed.probe';

export function createWriteSpeed(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly disk: Disk;
  /** Whether the recorder is idle: asked before, and between any two writes. */
  readonly idle: () => boolean;
}): WriteSpeed {
  const { clock, log, disk, idle } = deps;
  let mbps: number | undefined;
  let failure: TouchlineError | undefined;
  let idleSinceUs: number | undefined;
  let notBeforeUs = 0;
  let stopLooking: (() => void) | undefined;
  let measuring: Promise<void> | undefined;
  let stopping = false;

  /** Undefined when it was given up, because the disk is wanted. */
  const measure = async (): Promise<number | undefined> => {
    const chunk = Buffer.alloc(CHUNK_BYTES, 0xa5);
    // One that a power cut left.
    await disk.remove(FILE);
    const file = await disk.open(FILE, 'create');
    try {
      const begunUs = clock.monoUs();
      for (let n = 0; n < CHUNKS; n++) {
        if (stopping || !idle()) return undefined;
        await file.append(chunk);
        await file.sync();
      }
      return (CHUNKS * CHUNK_BYTES * 8) / (clock.monoUs() - begunUs);
    } finally {
      await file.close();
      await disk.remove(FILE);
    }
  };
  const look = async (): Promise<void> => {
    const nowUs = clock.monoUs();
    if (!idle()) {
      idleSinceUs = undefined;
      return;
    }
    idleSinceUs ??= nowUs;
    if (nowUs - idleSinceUs < IDLE_FOR_US || nowUs < notBeforeUs) return;
    try {
      if ((await disk.space()).freeBytes < LEAST_FREE_BYTES) return;
      const measured = await measure();
      if (measured === undefined) return;
      mbps = measured;
      failure = undefined;
    } catch (error) {
      mbps = undefined;
      failure =
        error instanceof TouchlineError
          ? error
          : new TouchlineError('sensor_failed', `the disk’s speed: ${(error as Error).message}`, {
              cause: error,
            });
      log.error({ err: failure }, failure.message);
    }
    notBeforeUs = clock.monoUs() + AGAIN_AFTER_US;
  };

  return {
    get mbps() {
      return mbps;
    },
    get failure() {
      return failure;
    },
    async start() {
      stopLooking = clock.every(LOOK_EVERY_MS, 'speed of the disk', () => {
        measuring = look();
        return measuring;
      });
    },
    async stop() {
      stopping = true;
      stopLooking?.();
      await measuring;
    },
  };
}
