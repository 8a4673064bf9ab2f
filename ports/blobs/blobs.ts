import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';

/**
 * Where central keeps files. A file has its name only once it is whole, verified and synced: what arrives is a draft
 * until then. Names look like `sessions/GAME/CAM_C/recording.mp4`; one that could reach outside is refused with
 * `invalid_field`.
 */
export interface BlobStore {
  /** Makes the folders and removes drafts that an earlier run left behind. */
  start(): Promise<void>;
  /**
   * Takes bytes into a draft, hashing on the way; when it resolves they are on the disk. On failure nothing is left.
   * Rejects with `payload_too_large`, `insufficient_storage`, what `checkHead` throws, or the source's own error.
   */
  receive(source: Readable, options: ReceiveOptions): Promise<Draft>;
  /** Makes a draft of a file that a program wrote below `scratch`; it lies there until it gets its name. */
  adopt(path: string): Promise<Draft>;
  find(name: string): Promise<StoredFile | undefined>;
  /** The bytes in chunks of 1 MiB. Rejects with `not_found`. */
  read(name: string): Readable;
  /** Names below a folder, ordered; none when it is not there. */
  list(folder: string): Promise<string[]>;
  freeBytes(): Promise<number>;
  /** Folder of this machine for programs to write to, on the disk of the store. */
  readonly scratch: string;
}

export interface ReceiveOptions {
  readonly maxBytes: number;
  /** Free space to be left over; checked before and while receiving. */
  readonly minFreeBytes: number;
  /** Sees the first bytes (16, or all when there are fewer) before the rest is taken; throws to refuse. */
  readonly checkHead?: (head: Buffer) => void;
}

export const HEAD_BYTES = 16;

export interface Draft {
  /** Where a program of this machine can read it. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Gives it its name, in place of what had it, and syncs: after a power cut it is there or it is not. */
  commit(name: string): Promise<void>;
  discard(): Promise<void>;
}

export interface StoredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** When it got its contents, milliseconds since 1970; another one for other contents. */
  readonly modifiedMs: number;
}

/** Reads a stored file back and hashes it. Rejects with `not_found`. */
export async function hashOf(store: BlobStore, name: string): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of store.read(name) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest('hex'), sizeBytes };
}

/** A small file as text. Rejects with `not_found`. */
export async function readText(store: BlobStore, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of store.read(name) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Stores a small file whole. */
export async function putText(store: BlobStore, name: string, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  const draft = await store.receive(Readable.from([bytes]), { maxBytes: bytes.length, minFreeBytes: 0 });
  await draft.commit(name);
}
