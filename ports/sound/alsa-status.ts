import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the kernel tells of a playback that runs (`/proc/asound/card0/pcm0p/sub0/status`). Times are monotonic microseconds. */
export interface PlaybackStatus {
  /** When the first sample left. */
  readonly startedUs: number;
  /** When the position was read; 0 where the kernel does not tell. */
  readonly readUs: number;
  /** Samples that had left by then. */
  readonly position: number;
  readonly rateHz: number;
}

/**
 * The playback of a process, by its id; undefined while it plays nothing, or where the kernel does not tell: a sound server plays in
 * its place.
 */
export async function playbackOf(procRoot: string, pid: number): Promise<PlaybackStatus | undefined> {
  for (const card of await names(procRoot, /^card\d+$/))
    for (const device of await names(join(procRoot, card), /^pcm\d+p$/))
      for (const part of await names(join(procRoot, card, device), /^sub\d+$/)) {
        const folder = join(procRoot, card, device, part);
        const status = parseStatus(
          await text(join(folder, 'status')),
          await text(join(folder, 'hw_params')),
          pid,
        );
        if (status) return status;
      }
  return undefined;
}

/** `state: RUNNING`, `owner_pid   : 1234`, `trigger_time: 812.345678901`, `tstamp      : …`, `hw_ptr      : 4800`; and `rate: 48000 (48000/1)`. */
export function parseStatus(status: string, hardware: string, pid: number): PlaybackStatus | undefined {
  const field = (from: string, name: string): string | undefined =>
    new RegExp(`^${name}\\s*: *(\\S+)`, 'm').exec(from)?.[1];
  if (field(status, 'state') !== 'RUNNING' || Number(field(status, 'owner_pid')) !== pid) return undefined;
  const found = {
    startedUs: Number(field(status, 'trigger_time')) * 1e6,
    readUs: Number(field(status, 'tstamp')) * 1e6,
    position: Number(field(status, 'hw_ptr')),
    rateHz: Number(field(hardware, 'rate')),
  };
  return Object.values(found).every(Number.isFinite) && found.rateHz > 0 ? found : undefined;
}

async function names(folder: string, pattern: RegExp): Promise<string[]> {
  return readdir(folder).then((found) => found.filter((name) => pattern.test(name)).sort(), nothingThere([]));
}

const text = (path: string): Promise<string> => readFile(path, 'utf8').catch(nothingThere(''));

/** Cards come and go while we look. */
function nothingThere<T>(empty: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR' && error.code !== 'ENODEV') throw error;
    return empty;
  };
}
