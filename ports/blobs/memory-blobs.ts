import { createHash, randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';
import { type BlobStore, type Draft, HEAD_BYTES } from './blobs.ts';
import { segmentsOf } from './names.ts';

/** A store in memory with a capacity, for tests. */
export interface MemoryBlobs extends BlobStore {
  /** Changes bytes of a stored file, as a failing disk would. */
  damage(name: string): void;
  readonly drafts: number;
}

/** `scratch` is a real folder: programs cannot write to memory. */
export function memoryBlobs(capacityBytes: number, scratch: string): MemoryBlobs {
  const files = new Map<string, Buffer>();
  const drafts = new Map<string, Buffer>();
  const modified = new Map<string, number>();
  let commits = 0;

  const free = (): number =>
    capacityBytes - [...files.values(), ...drafts.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const checked = (name: string): string => segmentsOf(name).join('/');
  const draftOf = (bytes: Buffer): Draft => {
    const path = `memory:${randomUUID()}`;
    drafts.set(path, bytes);
    return {
      path,
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      async commit(name) {
        files.set(checked(name), bytes);
        modified.set(checked(name), ++commits);
        drafts.delete(path);
      },
      async discard() {
        drafts.delete(path);
      },
    };
  };

  return {
    scratch,
    get drafts() {
      return drafts.size;
    },
    async start() {
      drafts.clear();
    },
    async receive(source, options) {
      const chunks: Buffer[] = [];
      let size = 0;
      const room = (): void => {
        if (free() - size < Math.max(options.minFreeBytes, 0))
          throw new TouchlineError('insufficient_storage', `only ${free()} bytes are free`);
      };
      room();
      for await (const chunk of source as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > options.maxBytes)
          throw new TouchlineError('payload_too_large', `the file is larger than ${options.maxBytes} bytes`);
        room();
        if (size >= HEAD_BYTES && size - chunk.length < HEAD_BYTES)
          options.checkHead?.(Buffer.concat(chunks).subarray(0, HEAD_BYTES));
      }
      if (size < HEAD_BYTES) options.checkHead?.(Buffer.concat(chunks));
      return draftOf(Buffer.concat(chunks));
    },
    async adopt(path) {
      const bytes = await readFile(path);
      await rm(path);
      return draftOf(bytes);
    },
    async find(name) {
      const bytes = files.get(checked(name));
      const modifiedMs = modified.get(checked(name)) ?? 0;
      return bytes && { path: `memory:${name}`, sizeBytes: bytes.length, modifiedMs };
    },
    read(name) {
      const bytes = files.get(checked(name));
      return Readable.from(
        (function* () {
          if (!bytes) throw new TouchlineError('not_found', `cannot read ${name}: no such file`);
          yield bytes;
        })(),
      );
    },
    async list(folder) {
      return [...files.keys()].filter((name) => name.startsWith(`${checked(folder)}/`)).sort();
    },
    async freeBytes() {
      return free();
    },
    damage(name) {
      const bytes = Buffer.from(files.get(checked(name)) ?? '');
      bytes.reverse();
      files.set(checked(name), bytes);
    },
  };
}
