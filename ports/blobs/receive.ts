import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TouchlineError } from '#contracts/errors.ts';
import { HEAD_BYTES, type ReceiveOptions } from './blobs.ts';

/** SHA-256 in Node is four times slower on chunks of 64 KiB, which is what arrives from a socket. */
const BLOCK_BYTES = 1024 * 1024;
/** Blocks that may wait for the disk before the sender has to. */
const BLOCKS_IN_FLIGHT = 8;
/** Space is looked at and data pushed to the disk this often, so that the last sync has little left to do. */
const CHECK_EVERY_BYTES = 32 * 1024 * 1024;

export interface Received {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * One pass from a stream to a synced file: gathers blocks, hashes and writes them. The hash of one block runs while
 * the blocks before it are being written.
 */
export async function receiveInto(
  handle: FileHandle,
  source: Readable,
  options: ReceiveOptions,
  freeBytes: () => Promise<number>,
): Promise<Received> {
  await assertSpace(freeBytes, options.minFreeBytes);
  const hash = createHash('sha256');
  const spare: Buffer[] = [];
  let block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES);
  let filled = 0;
  let sizeBytes = 0;
  let written = 0;
  let headSeen = false;
  let checkedAt = 0;
  let check: Promise<void> = Promise.resolve();
  const inFlight = new Set<Promise<void>>();
  let failure: unknown;

  const track = (work: Promise<void>): void => {
    inFlight.add(work);
    work.then(
      () => inFlight.delete(work),
      (error: unknown) => {
        failure ??= error;
        inFlight.delete(work);
      },
    );
  };
  const lookAtHead = (): void => {
    if (headSeen) return;
    headSeen = true;
    options.checkHead?.(block.subarray(0, Math.min(filled, HEAD_BYTES)));
  };
  const flush = (): void => {
    const full = block;
    const bytes = full.subarray(0, filled);
    hash.update(bytes);
    track(
      writeAll(handle, bytes, written).then(() => {
        spare.push(full);
      }),
    );
    written += filled;
    block = spare.pop() ?? Buffer.allocUnsafe(BLOCK_BYTES);
    filled = 0;
    if (written - checkedAt < CHECK_EVERY_BYTES) return;
    checkedAt = written;
    // Never two at once: on a slow disk the checks get rarer instead of piling up.
    const before = check;
    check = before.then(async () => {
      await handle.datasync();
      await assertSpace(freeBytes, options.minFreeBytes);
    });
    track(check);
  };
  const take = (chunk: Buffer): void => {
    sizeBytes += chunk.length;
    if (sizeBytes > options.maxBytes)
      throw new TouchlineError('payload_too_large', `the file is larger than ${options.maxBytes} bytes`, {
        details: { max_bytes: options.maxBytes },
      });
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(block, filled, at);
      at += copied;
      filled += copied;
      if (filled >= HEAD_BYTES) lookAtHead();
      if (filled === BLOCK_BYTES) flush();
    }
  };

  const sink = new Writable({
    highWaterMark: BLOCK_BYTES,
    write(chunk: Buffer, _encoding, done) {
      try {
        if (failure) throw failure;
        take(chunk);
      } catch (error) {
        done(error as Error);
        return;
      }
      if (inFlight.size < BLOCKS_IN_FLIGHT) done();
      else void Promise.race(inFlight).then(() => done(), done);
    },
    final(done) {
      try {
        lookAtHead();
        if (filled > 0) flush();
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  try {
    await pipeline(source, sink);
  } finally {
    // The file may be closed only when nothing writes to it any more.
    await Promise.allSettled(inFlight);
  }
  if (failure) throw failure;
  await handle.datasync();
  return { sizeBytes, sha256: hash.digest('hex') };
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function assertSpace(freeBytes: () => Promise<number>, minFreeBytes: number): Promise<void> {
  const free = await freeBytes();
  if (free < minFreeBytes)
    throw new TouchlineError(
      'insufficient_storage',
      `${free} bytes are free; ${minFreeBytes} have to stay free`,
      { details: { free_bytes: free, min_free_bytes: minFreeBytes } },
    );
}
