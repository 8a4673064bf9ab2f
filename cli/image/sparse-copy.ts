import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

/** What is zero is left out of the file, in blocks of this size: images are mostly empty. */
const HOLE_BYTES = 65_536;
const ZEROS = Buffer.alloc(HOLE_BYTES);

/** Writes a stream into a new, empty file with holes where it is zero. Returns size and SHA-256 of what the stream gave. */
export async function writeSparse(
  source: AsyncIterable<Uint8Array>,
  target: FileHandle,
  options: {
    readonly signal: AbortSignal;
    /** Called with the bytes so far; throws to stop. */
    readonly onBytes: (bytes: number) => void;
  },
): Promise<{ sizeBytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let position = 0;
  for await (const chunk of source) {
    options.signal.throwIfAborted();
    hash.update(chunk);
    for (let at = 0; at < chunk.length; at += HOLE_BYTES) {
      const block = chunk.subarray(at, at + HOLE_BYTES);
      if (ZEROS.subarray(0, block.length).equals(block)) continue;
      for (let done = 0; done < block.length; )
        done += (await target.write(block, done, block.length - done, position + at + done)).bytesWritten;
    }
    position += chunk.length;
    options.onBytes(position);
  }
  await target.truncate(position);
  return { sizeBytes: position, sha256: hash.digest('hex') };
}
