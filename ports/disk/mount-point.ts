import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';

/** Where something is mounted stands a folder of the file system below, and it would take every byte that is meant for the disk. */
export interface MountPoint {
  /** Throws `disk_missing` when nothing is mounted where once something was. */
  check(): Promise<void>;
}

/**
 * A folder that was a mount point once has to be one from then on; one that never was is just a folder. Which disk is mounted is not
 * asked: a new one may take the place of the old. `memoryFolder` keeps what is known over restarts.
 */
export function mountPoint(path: string, memoryFolder?: string): MountPoint {
  const memory = memoryFolder === undefined ? undefined : join(memoryFolder, 'recording-disk.json');
  let known: boolean | undefined;

  const recall = async (): Promise<boolean> => {
    if (memory === undefined) return false;
    try {
      return (JSON.parse(await readFile(memory, 'utf8')) as { mount_point?: unknown }).mount_point === path;
    } catch {
      // Nothing is known there, or no longer readable: what is seen from here on counts.
      return false;
    }
  };
  const remember = async (): Promise<void> => {
    if (memory === undefined || (await recall())) return;
    await mkdir(dirname(memory), { recursive: true });
    const temporary = `${memory}.${randomUUID()}`;
    await writeFile(temporary, `${JSON.stringify({ mount_point: path })}\n`, { flush: true });
    await rename(temporary, memory);
  };

  return {
    async check() {
      const mounted = await isMountPoint(path);
      if (mounted && known !== true) {
        known = true;
        // Without it only a restart would not know: no reason not to record now.
        await remember().catch(() => undefined);
      }
      known ??= await recall();
      if (known && !mounted)
        throw new TouchlineError('disk_missing', `the disk ${path} is not there: nothing is mounted`, {
          remedy: `Mount it. If ${path} shall be a plain folder from now on, stop the services${memory === undefined ? '' : `, delete ${memory}`} and start them again.`,
        });
    },
  };
}

/** A folder that is not there is none. */
async function isMountPoint(path: string): Promise<boolean> {
  const full = resolve(path);
  try {
    const [here, above] = await Promise.all([stat(full), stat(dirname(full))]);
    return here.dev !== above.dev || here.ino === above.ino;
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code)))
      return false;
    throw error;
  }
}
