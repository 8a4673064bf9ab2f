import { createHash } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { DiskFile } from '#ports/disk/disk.ts';

/** The one who writes a file: counts, hashes and syncs, behind a queue that is bounded. */
export interface Writer {
  /**
   * False when the queue is full: these bytes were not taken, and nothing of them will be in the file. `written` is called once they are
   * in it.
   */
  push(bytes: Uint8Array, written?: () => void): boolean;
  /** Bytes in the file so far. */
  readonly writtenBytes: number;
  readonly queuedBytes: number;
  /** The first failure; from then on nothing is written. */
  readonly failure: TouchlineError | undefined;
  /**
   * Writes what is queued, syncs, closes. The hash is of exactly the bytes that are in the file. Rejects with the failure when it left in
   * doubt what those are: only a disk that was full says for certain what it took.
   */
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
  /** Called once, when what was pushed so long ago would not survive a power cut yet. */
  readonly onLate?: (seconds: number) => void;
}

/** Far beyond what N4 leaves to a power cut: no matter of a busy moment. */
const LATE_US = 2_000_000;
const LOOK_MS = 500;

/** Writing and syncing go on side by side: a slow sync must not stop what is written, only the queue may grow. */
export function createWriter(options: WriterOptions): Writer {
  const { file, queueLimitBytes, syncIntervalMs, clock, onFailure, onLate } = options;
  const hash = createHash('sha256');
  let queue: { bytes: Uint8Array; written: (() => void) | undefined }[] = [];
  let queuedBytes = 0;
  let writtenBytes = 0;
  let syncedBytes = 0;
  let failure: TouchlineError | undefined;
  let writing: Promise<void> | undefined;
  /** When the oldest bytes were pushed that are not safe yet. */
  let unsafeSinceUs: number | undefined;
  let late = false;

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

  const inDoubt = (): boolean => failure !== undefined && failure.code !== 'disk_full';

  const drain = async (): Promise<void> => {
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const { bytes, written } = next;
        await file.append(bytes);
        hash.update(bytes);
        writtenBytes += bytes.length;
        queuedBytes -= bytes.length;
        written?.();
      }
    } catch (error) {
      fail(error);
    } finally {
      writing = undefined;
    }
  };

  const sync = async (): Promise<void> => {
    const upTo = writtenBytes;
    if (inDoubt() || upTo === syncedBytes) return;
    const begunUs = clock.monoUs();
    await file.sync().then(() => {
      syncedBytes = upTo;
      unsafeSinceUs = queuedBytes === 0 && writtenBytes === upTo ? undefined : begunUs;
    }, fail);
  };
  // Beside the syncs: one that never returns is told too.
  const stopLooking = clock.every(LOOK_MS, 'a disk that is late', () => {
    const lateUs = unsafeSinceUs === undefined || failure ? 0 : clock.monoUs() - unsafeSinceUs;
    if (late || lateUs < LATE_US) return;
    late = true;
    onLate?.(lateUs / 1e6);
  });
  const stopSyncing = clock.every(syncIntervalMs, 'sync of the recording', sync);

  return {
    push(bytes, written) {
      if (failure || queuedBytes + bytes.length > queueLimitBytes) return false;
      queue.push({ bytes, written });
      queuedBytes += bytes.length;
      unsafeSinceUs ??= clock.monoUs();
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
      stopLooking();
      while (writing !== undefined) await writing;
      await sync();
      await file.close().catch(fail);
      if (inDoubt()) throw failure;
      return { sizeBytes: writtenBytes, sha256: hash.digest('hex') };
    },
  };
}
