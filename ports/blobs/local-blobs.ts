import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';
import type { BlobStore, Draft } from './blobs.ts';
import { segmentsOf } from './names.ts';
import { receiveInto } from './receive.ts';

export interface LocalBlobsOptions {
  /** First part of a name → absolute folder. */
  readonly areas: Readonly<Record<string, string>>;
  /** Absolute folder for drafts and scratch, on the same disk. */
  readonly temp: string;
  /** Whether drafts of an earlier run are removed on start: for the one process that receives. */
  readonly receives: boolean;
}

const CHUNK_BYTES = 1024 * 1024;

/** Files on a local disk. */
export function localBlobs({ areas, temp, receives }: LocalBlobsOptions): BlobStore {
  const drafts = join(temp, 'incoming');
  const scratch = join(temp, 'work');

  const pathOf = (name: string): string => {
    const [area, ...rest] = segmentsOf(name);
    const folder = areas[area];
    if (folder === undefined)
      throw new TouchlineError('invalid_field', `"${name}" is in none of ${Object.keys(areas).join(', ')}`);
    return join(folder, ...rest);
  };
  const freeBytes = (): Promise<number> =>
    guard('read the free space', async () => {
      const { bavail, bsize } = await statfs(drafts);
      return bavail * bsize;
    });
  const draftOf = (path: string, sizeBytes: number, sha256: string): Draft => ({
    path,
    sizeBytes,
    sha256,
    commit: (name) =>
      guard(`store ${name}`, async () => {
        const target = pathOf(name);
        await makeFolders(dirname(target));
        await rename(path, target);
        await syncFolder(dirname(target));
      }),
    discard: () => guard('remove a draft', () => rm(path, { force: true })),
  });

  return {
    scratch,
    freeBytes,
    start: () =>
      guard('prepare the storage folders', async () => {
        for (const folder of [...Object.values(areas), drafts, scratch]) await makeFolders(folder);
        const { dev } = await stat(drafts);
        for (const folder of Object.values(areas))
          if ((await stat(folder)).dev !== dev)
            throw new TouchlineError(
              'configuration_invalid',
              `${temp} is on another disk than ${folder}: files could not be moved into place at once`,
              { field: 'storage.temp_path' },
            );
        if (receives) for (const name of await readdir(drafts)) await rm(join(drafts, name));
      }),
    receive: (source, options) =>
      guard('receive a file', async () => {
        const path = join(drafts, randomUUID());
        const handle = await open(path, 'wx');
        try {
          const { sizeBytes, sha256 } = await receiveInto(handle, source, options, freeBytes);
          await handle.close();
          return draftOf(path, sizeBytes, sha256);
        } catch (error) {
          await handle.close();
          await rm(path, { force: true });
          throw error;
        }
      }),
    adopt: (from) =>
      guard('take over a file', async () => {
        const handle = await open(from, 'r');
        const hash = createHash('sha256');
        let sizeBytes = 0;
        try {
          await handle.datasync();
          const stream = handle.createReadStream({ highWaterMark: CHUNK_BYTES, autoClose: false });
          for await (const chunk of stream as AsyncIterable<Buffer>) {
            hash.update(chunk);
            sizeBytes += chunk.length;
          }
        } finally {
          await handle.close();
        }
        return draftOf(from, sizeBytes, hash.digest('hex'));
      }),
    find: (name) =>
      guard(`look for ${name}`, async () => {
        const path = pathOf(name);
        const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
          throw error;
        });
        return found?.isFile() ? { path, sizeBytes: found.size, modifiedMs: found.mtimeMs } : undefined;
      }),
    read: (name) => withOurErrors(createReadStream(pathOf(name), { highWaterMark: CHUNK_BYTES }), name),
    list: (folder) =>
      guard(`list ${folder}`, async () => {
        const base = pathOf(folder);
        const entries = await readdir(base, { recursive: true, withFileTypes: true }).catch(
          (error: NodeJS.ErrnoException) => {
            if (error.code === 'ENOENT') return [];
            throw error;
          },
        );
        return entries
          .filter((entry) => entry.isFile())
          .map((entry) => `${folder}/${relative(base, join(entry.parentPath, entry.name))}`)
          .sort();
      }),
  };
}

/** A stream that fails with our errors. */
function withOurErrors(source: Readable, name: string): Readable {
  const target = new PassThrough({ highWaterMark: CHUNK_BYTES });
  source.on('error', (error) => target.destroy(ourError(`read ${name}`, error) as Error));
  target.on('close', () => source.destroy());
  return source.pipe(target);
}

async function guard<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw ourError(what, error);
  }
}

function ourError(what: string, error: unknown): unknown {
  if (error instanceof TouchlineError || !(error instanceof Error)) return error;
  return fromDisk(what, error, (error as NodeJS.ErrnoException).code);
}

function fromDisk(what: string, error: Error, code: string | undefined): unknown {
  const message = `cannot ${what}: ${error.message}`;
  if (code === 'ENOENT') return new TouchlineError('not_found', message, { cause: error });
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new TouchlineError('insufficient_storage', message, { cause: error });
  if (code === 'EACCES' || code === 'EROFS')
    return new TouchlineError('disk_missing', message, { cause: error });
  if (code === 'EIO') return new TouchlineError('disk_failed', message, { cause: error });
  return error;
}

/** Makes folders and syncs the parents of those that were new, so that they survive a power cut. */
async function makeFolders(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  if (made === undefined) return;
  for (let path = folder; ; path = dirname(path)) {
    await syncFolder(dirname(path));
    if (path === made) return;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
