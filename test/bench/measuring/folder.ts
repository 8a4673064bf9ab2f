import { rmSync, statfsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { killForeign } from './programs.ts';

/** Left free on the disk whatever is measured. */
const SPARE_BYTES = 2 * 2 ** 30;

/** Bytes that a benchmark may fill below the folder for temporary files (`TMPDIR`). */
export function usableBytes(): number {
  const { bavail, bsize } = statfsSync(tmpdir());
  return Math.max(0, bavail * bsize - SPARE_BYTES);
}

/**
 * Runs `work` in a folder that is gone afterwards, also after Ctrl-C. Throws `insufficient_storage` before anything is
 * written when there is no room.
 */
export async function inTempFolder<T>(needBytes: number, work: (folder: string) => Promise<T>): Promise<T> {
  const room = usableBytes();
  if (room < needBytes)
    throw new TouchlineError(
      'insufficient_storage',
      `${tmpdir()} has room for ${room} bytes, this needs ${needBytes}; set TMPDIR to a folder on a larger disk`,
    );
  const folder = await mkdtemp(join(tmpdir(), 'touchline-bench-'));
  const clean = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const onSignal = (name: NodeJS.Signals): void => {
    killForeign();
    clean();
    process.off(name, onSignal);
    process.kill(process.pid, name);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.once(name, onSignal);
  try {
    return await work(folder);
  } finally {
    for (const name of signals) process.off(name, onSignal);
    clean();
  }
}
