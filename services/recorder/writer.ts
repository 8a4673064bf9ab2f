import { createHash } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { DiskFile } from '#ports/disk/disk.ts';

/** The one who writes a file: counts, hashes and syncs, behind a queue that is bounded. */
export interface Writer {
  /** False when the queue is full: these bytes were not taken, and nothing of them will be in the file. */
  push(bytes: Uint8Array): boolean;
  /** Bytes in the file so far. */
  readonly writtenBytes: number;
  readonly queuedBytes: number;
  /** The first failure; from then on nothing is written. */
  readonly failure: TouchlineError | undefined;
  /** Writes what is queued, syncs, closes. The hash is of exactly the bytes that are in the file. */
  finish(): Promise<{ sizeBytes: number; sha256: string }>;
}

export interface WriterOptions {
  readonly file: DiskFile;
  readonly queueLimitBytes: number;
  /** Written data reaches the disk at least this often, milliseconds. */
  readonly syncIntervalMs: number;
  readonly clock: Clock;
  /** Called once, with the first failure. */
  readonly onFailure: (error: TouchlineError) => void;
}

/** Writing and syncing go on side by side: a slow sync must not stop what is written, only the queue may grow. */
export function createWriter(options: WriterOptions): Writer {
  const { file, queueLimitBytes, syncIntervalMs, clock, onFailure } = options;
  const hash = createHash('sha256');
  let queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let writtenBytes = 0;
  let syncedBytes = 0;
  let failure: TouchlineError | undefined;
  let writing: Promise<void> | undefined;

  const fail = (error: unknown): void => {
    if (failure) return;
    failure =
      error instanceof TouchlineError
        ? error
        : new TouchlineError('disk_failed', 'writing the recording failed', { cause: error });
    queue = [];
    queuedBytes = 0;
    onFailure(failure);
  };

  const drain = async (): Promise<void> => {
    try {
      for (let bytes = queue.shift(); bytes; bytes = queue.shift()) {
        await file.append(bytes);
        hash.update(bytes);
        writtenBytes += bytes.length;
        queuedBytes -= bytes.length;
      }
    } catch (error) {
      fail(error);
    } finally {
      writing = undefined;
    }
  };

  const sync = async (): Promise<void> => {
    const upTo = writtenBytes;
    if (failure || upTo === syncedBytes) return;
    await file.sync().then(() => {
      syncedBytes = upTo;
    }, fail);
  };
  const stopSyncing = clock.every(syncIntervalMs, 'sync of the recording', sync);

  return {
    push(bytes) {
      if (failure || queuedBytes + bytes.length > queueLimitBytes) return false;
      queue.push(bytes);
      queuedBytes += bytes.length;
      writing ??= drain();
      return true;
    },
    get writtenBytes() {
      return writtenBytes;
    },
    get queuedBytes() {
      return queuedBytes;
    },
    get failure() {
      return failure;
    },
    async finish() {
      stopSyncing();
      while (writing !== undefined) await writing;
      await sync();
      await file.close().catch(fail);
      return { sizeBytes: writtenBytes, sha256: hash.digest('hex') };
    },
  };
}
