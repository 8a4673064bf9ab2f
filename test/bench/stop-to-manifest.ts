import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { createWriter, type Writer } from '#services/recorder/writer.ts';
import { environment } from './measuring/environment.ts';
import { ratios, spread } from './measuring/figures.ts';
import { inTempFolder, usableBytes } from './measuring/folder.ts';
import { runForeign } from './measuring/programs.ts';

export const about =
  'How long a file takes to be finished and hashed after its last byte, against reading the file again';

const MIB = 2 ** 20;
const SIZES_MIB = [64, 512, 2048];
/** The writer's own limits, as the configuration of a node has them. */
const QUEUE_BYTES = 64 * MIB;
const SYNC_INTERVAL_MS = 250;
/** A recording ends at the pace of its camera, not at that of the disk: the last bytes come as 35 Mbit/s do. */
const LAST_BYTES = 4 * MIB;
const LAST_CHUNK_BYTES = 64 * 1024;
const LAST_BYTES_PER_MS = 35e6 / 8 / 1000;
const LEAST_CHUNK_BYTES = 64 * 1024;
const GREATEST_CHUNK_BYTES = MIB;

export async function run({
  rounds = 3,
  seed,
  log,
}: {
  rounds?: number;
  seed: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const before = environment();
  const random = generator(seed);
  const results: Record<string, unknown> = {};
  for (const sizeMib of SIZES_MIB) {
    const bytes = sizeMib * MIB;
    if (usableBytes() < bytes) {
      results[`${sizeMib} MiB`] = { skipped: `the disk has room for ${Math.floor(usableBytes() / MIB)} MiB` };
      log(`${sizeMib} MiB: skipped, no room`);
      continue;
    }
    const finishMs: number[] = [];
    const sha256sumMs: number[] = [];
    const rereadMs: number[] = [];
    await inTempFolder(bytes, async (folder) => {
      for (let round = 1; round <= rounds; round++) {
        log(`${sizeMib} MiB, round ${round} …`);
        const path = join(folder, 'recording.mp4');
        const ours = await finishTime(folder, bytes, random);
        sha256sumMs.push(
          await timeOf(ours.sha256, async () => (await runForeign('sha256sum', [path])).slice(0, 64)),
        );
        rereadMs.push(await timeOf(ours.sha256, () => hashAgain(path)));
        finishMs.push(ours.ms);
        await rm(path);
      }
    });
    results[`${sizeMib} MiB`] = {
      finish_ms: spread(finishMs),
      sha256sum_ms: spread(sha256sumMs),
      read_again_in_node_ms: spread(rereadMs),
      ratio_sha256sum_to_finish: ratios(sha256sumMs, finishMs),
      ratio_read_again_in_node_to_finish: ratios(rereadMs, finishMs),
    };
  }
  return {
    environment: before,
    what: 'finish(): writes what is queued, syncs, closes, gives the hash',
    last_bytes: `the last ${LAST_BYTES / MIB} MiB arrive at 35 Mbit/s, those before as fast as the disk takes them`,
    peers:
      'sha256sum, and Node (whose SHA-256 uses what the processor has for it) in chunks of 1 MiB; both right after, so the file is in memory',
    sizes: results,
  };
}

async function finishTime(
  folder: string,
  bytes: number,
  random: () => number,
): Promise<{ ms: number; sha256: string }> {
  const writer = createWriter({
    file: await localDisk(folder).open('recording.mp4', 'create'),
    queueLimitBytes: QUEUE_BYTES,
    syncIntervalMs: SYNC_INTERVAL_MS,
    clock: systemClock(),
    onFailure: (error) => {
      throw error;
    },
  });
  const film = randomBytes(16 * MIB);
  const take = (length: number): Uint8Array => {
    const from = Math.floor(random() * (film.length - length));
    return film.subarray(from, from + length);
  };
  let left = bytes - LAST_BYTES;
  while (left > 0) {
    const size = LEAST_CHUNK_BYTES + Math.floor(random() * (GREATEST_CHUNK_BYTES - LEAST_CHUNK_BYTES));
    const chunk = take(Math.min(left, size));
    while (!writer.push(chunk)) await wait(1);
    left -= chunk.length;
  }
  await drained(writer);
  const startMs = performance.now();
  for (let sent = 0; sent < LAST_BYTES; sent += LAST_CHUNK_BYTES) {
    const dueMs = startMs + sent / LAST_BYTES_PER_MS;
    if (dueMs > performance.now()) await wait(dueMs - performance.now());
    if (!writer.push(take(LAST_CHUNK_BYTES))) throw new Error('the disk does not take 35 Mbit/s');
  }
  await drained(writer);
  const before = performance.now();
  const { sha256, sizeBytes } = await writer.finish();
  const ms = performance.now() - before;
  if (sizeBytes !== bytes) throw new Error(`${sizeBytes} bytes were written instead of ${bytes}`);
  return { ms, sha256 };
}

/** Milliseconds until somebody else comes to the same hash. */
async function timeOf(expected: string, hash: () => Promise<string>): Promise<number> {
  const before = performance.now();
  const said = await hash();
  const ms = performance.now() - before;
  if (said !== expected) throw new Error(`the writer says ${expected}, another program ${said}`);
  return ms;
}

async function hashAgain(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function drained(writer: Writer): Promise<void> {
  while (writer.queuedBytes > 0) await wait(1);
}

/** Numbers from 0 to 1 that the seed decides (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}
