import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type BlockRange, BMAP_BLOCK_BYTES } from '#domain/provisioning/bmap.ts';
import type { ImageLayout } from './boot-partition.ts';

const READ_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(BMAP_BLOCK_BYTES);

/**
 * One pass over an image: its SHA-256, and the blocks that have to be written. Everything that a partition covers is one of them, zero or not: a
 * file system may count on its zeros, and a card that was used before has something else there.
 */
export async function readChecksums(
  image: string,
  { partitions }: Pick<ImageLayout, 'partitions'>,
  options: { readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void },
): Promise<{ sizeBytes: number; sha256: string; ranges: BlockRange[] }> {
  const whole = createHash('sha256');
  const ranges: BlockRange[] = [];
  let open: { first: number; last: number; hash: Hash } | undefined;
  const close = (): void => {
    if (open !== undefined)
      ranges.push({ first: open.first, last: open.last, sha256: open.hash.digest('hex') });
    open = undefined;
  };
  let position = 0;
  for await (const chunk of createReadStream(image, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>) {
    options.signal.throwIfAborted();
    whole.update(chunk);
    for (let at = 0; at < chunk.length; at += BMAP_BLOCK_BYTES) {
      const block = chunk.subarray(at, at + BMAP_BLOCK_BYTES);
      const start = position + at;
      const covered = partitions.some(
        ({ offset, size }) => start < offset + size && start + BMAP_BLOCK_BYTES > offset,
      );
      if (!covered && block.equals(ZEROS.subarray(0, block.length))) {
        close();
        continue;
      }
      const number = start / BMAP_BLOCK_BYTES;
      open ??= { first: number, last: number, hash: createHash('sha256') };
      open.last = number;
      open.hash.update(block);
    }
    position += chunk.length;
    options.onBytes(position);
  }
  close();
  return { sizeBytes: position, sha256: whole.digest('hex'), ranges };
}
