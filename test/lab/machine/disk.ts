import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { run } from './run.ts';

/** A file with an empty ext4 in it, for a guest's disk; what is never written takes no room. */
export async function makeDisk(file: string, mib: number): Promise<void> {
  const handle = openSync(file, 'wx');
  ftruncateSync(handle, mib * 2 ** 20);
  closeSync(handle);
  // Nothing kept back for root, as whom the node runs here: full is full.
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', file]);
}

/** Undefined when the file system is clean, without changing anything; otherwise what e2fsck found. */
export async function checkDisk(file: string): Promise<string | undefined> {
  const { code, stdout, stderr } = await run('e2fsck', ['-f', '-n', file], [0, 1, 2, 4, 8, 12, 16]);
  return code === 0 ? undefined : `${stdout}${stderr}`;
}

/** Copies everything out of a file system that is not mounted, also without the right to mount. */
export async function copyOut(file: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await run('debugfs', ['-R', `rdump / "${folder}"`, file]);
}
