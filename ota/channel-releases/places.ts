import { readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * Where the software of a node lies. `current` is what the services are started from; it is a link to one folder of `releases` and is only
 * ever replaced by renaming another over it.
 */
export interface Places {
  readonly root: string;
  readonly current: string;
  readonly releases: string;
  readonly staging: string;
}

export const TRIAL_FILE = 'trial';
export const RECORD_FILE = 'record.json';
/** Folders of `releases` that are not whole: being unpacked, or being removed. */
export const UNFINISHED = /^\.(new|old)-/;

export function placesBelow(root: string): Places {
  return {
    root,
    current: join(root, 'current'),
    releases: join(root, 'releases'),
    staging: join(root, 'staging'),
  };
}

/** The version that `current` points to; undefined when nothing is installed. */
export async function currentVersion({ current }: Places): Promise<string | undefined> {
  return absent(async () => basename(await readlink(current)));
}

/** The text of a file; undefined when it is not there. */
export async function textOf(path: string): Promise<string | undefined> {
  return absent(() => readFile(path, 'utf8'));
}

async function absent<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
