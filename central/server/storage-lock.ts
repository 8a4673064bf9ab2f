import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { fileLock, type HeldLock } from '#ports/lock/file-lock.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** A server that was killed a moment ago has let go by then. */
const WAIT_SEC = 2;

/**
 * Keeps a second server away from the same storage, before it touches anything: two would start two databases on one
 * folder, and remove each other's uploads. Throws `conflict`.
 */
export function createStorageLock({ root, log }: { root: string; log: Logger }): Unit {
  let lock: HeldLock | undefined;
  return {
    async start() {
      await mkdir(root, { recursive: true });
      const path = join(root, 'server.lock');
      lock = await fileLock(path, WAIT_SEC);
      if (!lock)
        throw new TouchlineError(
          'conflict',
          `another central server uses ${root}; stop it, or give this one another storage.root`,
          { details: { lock: path } },
        );
      void lock.lost.then((reason) =>
        log.error({ lock: path, reason }, 'the lock of the storage was lost: start no second server on it'),
      );
    },
    async stop() {
      await lock?.release();
    },
  };
}
