import { mkdir, open, rename, rm, symlink } from 'node:fs/promises';
import { TouchlineError } from '#contracts/errors.ts';
import type { InstallDisk } from './install-disk.ts';

/** The file system of this machine. */
export function localInstallDisk(): InstallDisk {
  return {
    makeFolder: (path) => guard(`make ${path}`, async () => void (await mkdir(path, { recursive: true }))),
    open: (path, how, executable = false) =>
      guard(`open ${path}`, async () => {
        const file = await open(path, how === 'create' ? 'w' : 'a', executable ? 0o755 : 0o644);
        return {
          append: (bytes) => guard(`write ${path}`, () => file.appendFile(bytes)),
          sync: () => guard(`sync ${path}`, () => file.sync()),
          close: () => guard(`close ${path}`, () => file.close()),
        };
      }),
    link: (target, path) => guard(`link ${path}`, () => symlink(target, path)),
    rename: (from, to) => guard(`rename ${from}`, () => rename(from, to)),
    remove: (path) => guard(`remove ${path}`, () => rm(path, { recursive: true, force: true })),
    syncFolder: (path) =>
      guard(`sync ${path}`, async () => {
        const folder = await open(path, 'r');
        try {
          await folder.sync();
        } finally {
          await folder.close();
        }
      }),
  };
}

async function guard<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new TouchlineError('disk_full', `there is no room to ${what}`, {
        cause,
        remedy: 'Free space on the disk that holds the software of the node.',
      });
    throw new TouchlineError('disk_failed', `could not ${what}: ${message}`, { cause });
  }
}
