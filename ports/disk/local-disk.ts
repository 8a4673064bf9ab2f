import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Disk, DiskEntry, DiskFile } from './disk.ts';
import { mountPoint } from './mount-point.ts';

const READ_CHUNK_BYTES = 1024 * 1024;
/** End of the name of a file that is about to replace another one; a power cut can leave such a file behind. */
const TEMPORARY = '.new';

/**
 * A mounted file system below `root`. The root itself is never made, and one that was a mount point is not written to while nothing is
 * mounted there: a disk that is missing must be noticed. `memoryFolder` is where that is remembered over restarts.
 */
export function localDisk(root: string, memoryFolder?: string): Disk {
  const mount = mountPoint(root, memoryFolder);
  const at = (path: string): string => join(root, path);

  const guard = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      await mount.check();
      return await work();
    } catch (error) {
      throw await diskError(root, what, error);
    }
  };

  return {
    root,
    space: () =>
      guard('read the free space', async () => {
        await access(root, constants.W_OK);
        const { bavail, blocks, bsize } = await statfs(root);
        return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
      }),
    open: (path, how) =>
      guard(`open ${path}`, async () => {
        const handle =
          how === 'create'
            ? await inFolder(root, dirname(path), () => open(at(path), 'ax'))
            : await open(at(path), constants.O_WRONLY | constants.O_APPEND);
        if (how === 'create') await syncFolder(dirname(at(path)));
        const { size, dev } = await handle.stat();
        return localFile(handle, path, { root, dev, size }, guard);
      }),
    replace: (path, text) =>
      guard(`write ${path}`, async () => {
        const temporary = `${at(path)}.${randomUUID()}${TEMPORARY}`;
        const handle = await inFolder(root, dirname(path), () => open(temporary, 'wx'));
        try {
          try {
            await handle.writeFile(text);
            await handle.sync();
          } finally {
            await handle.close();
          }
          await rename(temporary, at(path));
        } catch (error) {
          await rm(temporary, { force: true });
          throw error;
        }
        await syncFolder(dirname(at(path)));
      }),
    async *read(path, from = 0, chunkBytes = READ_CHUNK_BYTES) {
      const handle = await guard(`open ${path}`, () => open(at(path), 'r'));
      try {
        let position = from;
        for (;;) {
          const buffer = Buffer.allocUnsafe(chunkBytes);
          const { bytesRead } = await guard(`read ${path}`, () =>
            handle.read(buffer, 0, chunkBytes, position),
          );
          if (bytesRead === 0) return;
          position += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await handle.close();
      }
    },
    list: (folder) =>
      guard(`list ${folder}`, async () => {
        await access(root);
        const entries: DiskEntry[] = [];
        for (const full of await filesBelow(at(folder))) {
          if (full.endsWith(TEMPORARY)) continue;
          // A file that is removed while we look is not there.
          const stats = await stat(full).catch((error: NodeJS.ErrnoException) => {
            if (error.code === 'ENOENT') return undefined;
            throw error;
          });
          if (stats) entries.push({ path: relative(root, full), sizeBytes: stats.size });
        }
        return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
      }),
    remove: (path) =>
      guard(`remove ${path}`, async () => {
        await access(root);
        await rm(at(path), { force: true });
        await removeEmpty(root, dirname(path));
      }),
  };
}

function localFile(
  handle: FileHandle,
  path: string,
  opened: { readonly root: string; readonly dev: number; readonly size: number },
  guard: <T>(what: string, work: () => Promise<T>) => Promise<T>,
): DiskFile {
  let size = opened.size;
  const write = async (bytes: Uint8Array): Promise<void> => {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
  };
  return {
    append: (bytes) =>
      guard(`write ${path}`, async () => {
        try {
          await write(bytes);
        } catch (error) {
          // A full disk takes a part of the bytes first: what was not appended whole must not be in the file.
          await handle.truncate(size).catch((cutError: unknown) => {
            throw new TouchlineError('disk_failed', `cannot write ${path}, nor cut what was written of it`, {
              cause: new AggregateError([error, cutError]),
            });
          });
          throw error;
        }
        size += bytes.length;
      }),
    sync: () =>
      guard(`sync ${path}`, async () => {
        // A handle outlives what it was opened on: what nobody can open any more is not kept, however well it is synced.
        const [{ nlink }, { dev }] = await Promise.all([handle.stat(), stat(opened.root)]);
        if (nlink === 0 || dev !== opened.dev)
          throw new TouchlineError(
            'disk_missing',
            `${path} is gone: ${nlink === 0 ? 'somebody deleted it' : `another disk is at ${opened.root}`}`,
          );
        await handle.datasync();
      }),
    cut: (sizeBytes) =>
      guard(`cut ${path}`, async () => {
        await handle.truncate(sizeBytes);
        size = sizeBytes;
      }),
    async close() {
      // Also on a disk that is gone: open files keep it from being mounted again.
      const failure: unknown = await handle.close().catch((error: unknown) => error);
      if (failure !== undefined) throw await diskError(opened.root, `close ${path}`, failure);
    },
  };
}

/** Times a folder that is removed at the same moment, because it was empty, is made again. */
const FOLDER_ATTEMPTS = 3;

/** Makes the folder and creates a file in it. */
async function inFolder(
  root: string,
  folder: string,
  create: () => Promise<FileHandle>,
): Promise<FileHandle> {
  for (let attempt = 1; ; attempt++) {
    await access(root, constants.W_OK);
    try {
      await makeFolders(root, folder);
      return await create();
    } catch (error) {
      if (attempt === FOLDER_ATTEMPTS || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

/** Removes the folder when it is empty, and so on upwards; syncs the one that stays. */
async function removeEmpty(root: string, folder: string): Promise<void> {
  let path = folder;
  for (; dirname(path) !== '.'; path = dirname(path))
    try {
      await rmdir(join(root, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') break;
      if (code !== 'ENOENT') throw error;
    }
  await syncFolder(join(root, path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Paths of all files. A folder that is removed while we look has none. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const found: string[] = [];
  for (const entry of entries) {
    const full = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(full)));
    else if (entry.isFile()) found.push(full);
  }
  return found;
}

/** Makes the folders below root and syncs each parent, so that they survive a power cut too. */
async function makeFolders(root: string, folder: string): Promise<void> {
  const made = await mkdir(join(root, folder), { recursive: true });
  if (made === undefined) return;
  for (let path = join(root, folder); ; path = dirname(path)) {
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

async function diskError(root: string, what: string, error: unknown): Promise<unknown> {
  if (error instanceof TouchlineError || !(error instanceof Error) || !('code' in error)) return error;
  const rootThere = await access(root).then(
    () => true,
    () => false,
  );
  const because = `cannot ${what}: ${error.message}`;
  if (!rootThere)
    return new TouchlineError('disk_missing', `the disk ${root} is not there: ${because}`, { cause: error });
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new TouchlineError('disk_full', because, { cause: error });
    case 'EROFS':
    case 'EACCES':
      return new TouchlineError('disk_missing', `the disk ${root} cannot be written: ${because}`, {
        cause: error,
      });
    case 'ENOENT':
      return new TouchlineError('not_found', because, { cause: error });
    case 'EEXIST':
      return new TouchlineError('conflict', because, { cause: error });
    default:
      return new TouchlineError('disk_failed', because, { cause: error });
  }
}
