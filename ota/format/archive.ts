import { once } from 'node:events';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { create, Parser, type ReadEntry } from 'tar';
import { TouchlineError } from '#contracts/errors.ts';

/** A file of an archive while it is read. */
export interface ArchivedFile {
  /** Relative, with `/`, never leading out of the folder it is unpacked to. */
  readonly path: string;
  readonly executable: boolean;
  readonly sizeBytes: number;
  /** To be read to its end. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/**
 * Writes `files` (relative to `folder`) as `.tar.gz`, so that the same contents give the same bytes: in order of name, of nobody, of one
 * time, compressed without a time. `atSec`: seconds since 1970.
 */
export async function writeArchive(
  file: string,
  folder: string,
  files: readonly string[],
  atSec: number,
): Promise<void> {
  await create(
    {
      file,
      cwd: folder,
      // Byte 9 of the header names no operating system.
      gzip: { level: 9, portable: true },
      portable: true,
      noDirRecurse: true,
      mtime: new Date(atSec * 1000),
      // Read one after another, in this order.
      jobs: 1,
    },
    files.toSorted((a, b) => (a < b ? -1 : 1)),
  );
}

/**
 * Reads a `.tar.gz` and gives each file of it to `take`, one after another; `see` is told the bytes as they are read. Throws `release_truncated` when it ends early, and
 * `checksum_wrong` when it is no archive or holds something else than plain files below one folder.
 */
export async function readArchive(
  source: Readable,
  take: (file: ArchivedFile) => Promise<void>,
  see: (compressed: Buffer) => void = () => undefined,
): Promise<void> {
  const parser = new Parser({ strict: true });
  const failed = Promise.withResolvers<never>();
  // Whoever waits hears of it; nobody may be waiting any more.
  failed.promise.catch(() => undefined);
  parser.on('error', failed.reject);
  let taken: Promise<void> = Promise.resolve();
  parser.on('entry', (entry: ReadEntry) => {
    taken = taken.then(() => takeEntry(entry, take));
    taken.catch(failed.reject);
  });
  const ended = once(parser, 'end');
  ended.catch(() => undefined);
  try {
    await pipeline(source, seeing(see), createGunzip(), async (plain: AsyncIterable<Buffer>) => {
      for await (const chunk of plain)
        if (!parser.write(chunk)) await Promise.race([once(parser, 'drain'), failed.promise]);
      parser.end();
      await Promise.race([ended, failed.promise]);
      await Promise.race([taken, failed.promise]);
    });
  } catch (cause) {
    throw archiveError(cause);
  }
}

async function takeEntry(entry: ReadEntry, take: (file: ArchivedFile) => Promise<void>): Promise<void> {
  const path = entry.path.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  if (entry.type === 'Directory') return void entry.resume();
  if (entry.type !== 'File' && entry.type !== 'OldFile')
    throw new TouchlineError('checksum_wrong', `the bundle holds ${path}, which is no plain file`);
  if (path === '' || path.startsWith('/') || path.split('/').some((part) => part === '' || part === '..'))
    throw new TouchlineError(
      'checksum_wrong',
      `the bundle holds ${entry.path}, which leads out of its folder`,
    );
  const executable = ((entry.mode ?? 0) & 0o100) !== 0;
  await take({ path, executable, sizeBytes: entry.size, bytes: entry });
  // What the taker left is passed over, or the next file would never come.
  entry.resume();
}

function archiveError(cause: unknown): unknown {
  if (cause instanceof TouchlineError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException & { tarCode?: string };
  if (code === 'Z_BUF_ERROR' || /truncated|unexpected end/i.test(message))
    return new TouchlineError('release_truncated', 'the bundle ends before its last file', { cause });
  const tarCode = (cause as { tarCode?: string }).tarCode;
  if (code?.startsWith('Z_') || tarCode !== undefined || code?.startsWith('TAR_'))
    return new TouchlineError('checksum_wrong', `the bundle is no archive: ${message}`, { cause });
  return cause;
}

/** Passes bytes on and tells `see` of each. */
function seeing(see: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) {
      see(chunk);
      done(null, chunk);
    },
  });
}
