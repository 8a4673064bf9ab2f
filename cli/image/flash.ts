import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { type Shell, say } from '../shell.ts';
import { type TargetDisk, targetDisk } from './block-devices.ts';
import { readLayout } from './boot-partition.ts';
import { startProgress } from './progress.ts';
import { runTool } from './run-tool.ts';

/** Writes an image to a disk, after its user has named the disk twice, and reads it back. */

const CHUNK_BYTES = 4 * 1024 * 1024;

interface FlashOptions {
  readonly image: string;
  readonly device: string;
  /** Asks to type the name of the disk; returns what was typed. */
  readonly confirm: (disk: TargetDisk) => Promise<string>;
  readonly signal: AbortSignal;
}

/**
 * The beginning, where the partition table is, is written last: a disk that was left in the middle does not start. Throws `flash_refused` before
 * anything is written, `image_invalid` for an image whose checksum beside it does not fit, `disk_failed` when the disk does not give back what
 * was written.
 */
export async function flashImage(
  shell: Shell,
  options: FlashOptions,
): Promise<{ bytes: number; sha256: string }> {
  const { image, device, signal } = options;
  const found = await stat(image).catch((cause: NodeJS.ErrnoException) => {
    throw new TouchlineError('not_found', `${image}: cannot be read (${cause.code})`, {
      cause,
      field: 'image',
    });
  });
  await readLayout(image);
  const disk = await targetDisk(shell, device, found.size);
  const typed = await options.confirm(disk);
  if (typed.trim() !== disk.path)
    throw new TouchlineError(
      'flash_refused',
      `${JSON.stringify(typed)} is not ${disk.path}: nothing was written`,
      {
        field: 'device',
        remedy: 'Type the name of the disk exactly, or leave it.',
      },
    );
  // Between the question and the answer somebody may have put in another card.
  await targetDisk(shell, device, found.size);
  const expected = await announcedSha256(image);
  const source = await open(image, 'r');
  try {
    const sha256 = await write(shell, { source, size: found.size, disk, signal, expected });
    await readBack(shell, { disk, size: found.size, sha256, signal });
    say(shell, `touchline: ${disk.path}: written and read back, SHA-256 ${sha256}`);
    return { bytes: found.size, sha256 };
  } finally {
    await source.close();
  }
}

async function write(
  shell: Shell,
  parts: {
    readonly source: FileHandle;
    readonly size: number;
    readonly disk: TargetDisk;
    readonly signal: AbortSignal;
    readonly expected: string | undefined;
  },
): Promise<string> {
  const { source, size, disk, signal, expected } = parts;
  // O_EXCL on a block device: the kernel refuses one that is mounted.
  const target = await open(disk.path, constants.O_RDWR | constants.O_EXCL).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new TouchlineError(
        'flash_refused',
        `${disk.path}: cannot be opened for writing (${cause.code})`,
        {
          cause,
          remedy: cause.code === 'EACCES' ? 'Type sudo before ./touchline.' : 'Unmount what uses it.',
        },
      );
    },
  );
  const progress = startProgress(shell, `touchline: writing ${disk.path}`, size);
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let head: Buffer | undefined;
  try {
    for (let position = 0; position < size; ) {
      signal.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, CHUNK_BYTES, position);
      if (bytesRead === 0)
        throw new TouchlineError('image_invalid', 'the image became shorter while it was read');
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      if (head === undefined) {
        head = Buffer.from(chunk);
        // Whatever was there before must not start either.
        await writeAll(target, Buffer.alloc(head.length), 0);
      } else await writeAll(target, chunk, position);
      position += bytesRead;
      progress.at(position);
    }
    const sha256 = hash.digest('hex');
    if (expected !== undefined && sha256 !== expected)
      throw new TouchlineError(
        'image_invalid',
        `the image has another SHA-256 than the file beside it says: ${sha256}`,
        {
          remedy: 'Build or copy the image again. The disk does not start as it is.',
        },
      );
    if (head !== undefined) await writeAll(target, head, 0);
    await target.sync();
    progress.end();
    return sha256;
  } catch (error) {
    signal.throwIfAborted();
    throw asDiskFault(disk, error);
  } finally {
    await target.close();
  }
}

async function readBack(
  shell: Shell,
  parts: {
    readonly disk: TargetDisk;
    readonly size: number;
    readonly sha256: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { disk, size, sha256, signal } = parts;
  const isDevice = (await stat(disk.path)).isBlockDevice();
  // Otherwise the kernel would answer from its memory instead of the disk.
  if (isDevice)
    await runTool(shell, 'blockdev', ['--flushbufs', disk.path], {
      failure: (stderr) => new TouchlineError('disk_failed', `${disk.path}: cannot be read again: ${stderr}`),
    });
  const source = await open(disk.path, 'r');
  const progress = startProgress(shell, `touchline: reading ${disk.path} back`, size);
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK_BYTES);
  try {
    for (let position = 0; position < size; ) {
      signal.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, Math.min(CHUNK_BYTES, size - position), position);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
      progress.at(position);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw asDiskFault(disk, error);
  } finally {
    await source.close();
  }
  progress.end();
  if (hash.digest('hex') !== sha256)
    throw new TouchlineError('disk_failed', `${disk.path}: does not give back what was written to it`, {
      remedy: 'Try another reader or cable; then throw the card away.',
    });
}

async function writeAll(target: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length; )
    done += (await target.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
}

function asDiskFault(disk: TargetDisk, error: unknown): unknown {
  if (error instanceof TouchlineError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new TouchlineError('disk_failed', `${disk.path}: ${message}`, {
    cause: error,
    remedy: code === 'EIO' ? 'The disk is failing or was pulled out.' : undefined,
  });
}

/** The SHA-256 that `image build` puts beside an image; undefined when there is none. */
async function announcedSha256(image: string): Promise<string | undefined> {
  const text = await readFile(`${image}.sha256`, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (text === '') return undefined;
  const line = text.split('\n').find((each) => each.endsWith(`  ${basename(image)}`));
  return line?.split(' ')[0];
}
