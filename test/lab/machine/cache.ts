import { existsSync, globSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeLock } from '../../../cli/lock.ts';

const LOCK_POLL_MS = 500;

/** Where what takes minutes to make is kept between runs, outside the tree. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'touchline', 'lab');
}

/**
 * The folder `name` of the cache, made by `make` when it is not there. It appears whole or not at all, and two labs that need it at
 * once make it once.
 */
export async function cached(
  name: string,
  log: (line: string) => void,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  const lockName = `lab ${folder}`;
  let lock = await takeLock(lockName);
  if (lock === undefined) log(`waiting for another lab that makes ${name} …`);
  while (lock === undefined) {
    await sleep(LOCK_POLL_MS);
    lock = await takeLock(lockName);
  }
  try {
    if (existsSync(folder)) return folder;
    mkdirSync(cacheFolder(), { recursive: true });
    // What a run that was ended half-way left.
    for (const old of globSync(`${name}.new-*`, { cwd: cacheFolder() }))
      rmSync(join(cacheFolder(), old), { recursive: true, force: true });
    const making = `${folder}.new-${process.pid}`;
    mkdirSync(making);
    try {
      await make(making);
      renameSync(making, folder);
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
    return folder;
  } finally {
    lock.release();
  }
}
