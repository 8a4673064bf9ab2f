import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { FeedRelease, ReleaseFile } from '#contracts/release.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { InstallDisk } from '#ports/install-disk/install-disk.ts';
import type { ReleaseFeed } from './feed.ts';

export interface Download {
  readonly feed: ReleaseFeed;
  readonly release: FeedRelease;
  readonly file: ReleaseFile;
  /** Absolute, where the whole file will be; what is there of it so far lies beside it. */
  readonly path: string;
  readonly disk: InstallDisk;
  readonly clock: Pick<Clock, 'monoUs' | 'sleepUntil'>;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Connections in a row that bring nothing before it is given up for now. */
const FRUITLESS_MAX = 4;
const FIRST_PAUSE_MS = 1000;
/** What is downloaded survives a power cut up to here. */
const SYNC_EVERY_BYTES = 8_388_608;
const READ_CHUNK_BYTES = 1_048_576;

/**
 * Downloads a file of a release, going on where an earlier attempt broke off, and checks its SHA-256. Throws `release_truncated`,
 * `checksum_wrong` (what was downloaded is gone then), `feed_unreachable` (what was downloaded stays), `disk_full`, `disk_failed`.
 */
export async function download(job: Download): Promise<void> {
  const { file, release, disk, path } = job;
  refuseOtherSize(file, release.assets.find(({ name }) => name === file.name)?.size);
  if ((await hashOf(path)) === file.sha256) return;
  const part = `${path}.part`;
  const begunBefore = (await sizeOf(part)) > 0;
  await fetchWhole(job, part);
  if ((await hashOf(part)) !== file.sha256) {
    // Its beginning may be that of another attempt, with other bytes or cut by a power loss: once more from the start.
    await disk.remove(part);
    if (begunBefore) await fetchWhole(job, part);
    if ((await hashOf(part)) !== file.sha256) {
      await disk.remove(part);
      throw new TouchlineError('checksum_wrong', `${file.name} has another SHA-256 than the signed one`, {
        details: { name: file.name, expected: file.sha256 },
      });
    }
  }
  await disk.rename(part, path);
  await disk.syncFolder(dirname(path));
}

async function fetchWhole(job: Download, part: string): Promise<void> {
  const { file, clock, signal } = job;
  let fruitless = 0;
  for (;;) {
    const before = await sizeOf(part);
    if (before === file.size_bytes) return;
    try {
      await fetchOn(job, part, before);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TouchlineError) || error.code !== 'feed_unreachable') throw error;
      fruitless = (await sizeOf(part)) > before ? 0 : fruitless + 1;
      if (fruitless >= FRUITLESS_MAX) throw error;
      const pauseMs = FIRST_PAUSE_MS * 2 ** fruitless;
      await clock.sleepUntil(clock.monoUs() + pauseMs * 1000, `the next attempt to get ${file.name}`, signal);
    }
  }
}

/** One connection. Returns when the server has sent all it has. */
async function fetchOn(
  { feed, release, file, disk, signal, progress }: Download,
  part: string,
  have: number,
) {
  const resumable = have > 0 && have < file.size_bytes;
  const { from, totalBytes, body } = await feed.bytes(release, file.name, resumable ? have : 0, signal);
  refuseOtherSize(file, totalBytes);
  const goesOn = resumable && from === have;
  const to = await disk.open(part, goesOn ? 'append' : 'create');
  let done = goesOn ? have : 0;
  let synced = done;
  try {
    for await (const chunk of body) {
      done += chunk.byteLength;
      if (done > file.size_bytes) refuseOtherSize(file, done);
      await to.append(chunk);
      if (done - synced >= SYNC_EVERY_BYTES) {
        await to.sync();
        synced = done;
      }
      progress?.(done, file.size_bytes);
    }
    await to.sync();
  } finally {
    await to.close();
  }
  refuseOtherSize(file, done);
}

/** Whoever says so, another size than the signed one is another file. */
function refuseOtherSize(file: ReleaseFile, sizeBytes: number | undefined): void {
  if (sizeBytes === undefined || sizeBytes === file.size_bytes) return;
  const [code, how] =
    sizeBytes < file.size_bytes
      ? (['release_truncated', 'only '] as const)
      : (['checksum_wrong', ''] as const);
  throw new TouchlineError(code, `${file.name} has ${how}${sizeBytes} bytes, signed are ${file.size_bytes}`, {
    details: { name: file.name },
  });
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** SHA-256, or undefined when there is no such file. */
export async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: READ_CHUNK_BYTES })) hash.update(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return hash.digest('hex');
}
