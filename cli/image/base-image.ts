import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { TouchlineError } from '#contracts/errors.ts';
import { ensurePrograms } from '../prerequisites.ts';
import type { Shell } from '../shell.ts';
import { type ImageLayout, readBootFiles, readLayout } from './boot-partition.ts';
import { startProgress } from './progress.ts';
import { writeSparse } from './sparse-copy.ts';

/** A balenaOS image as it is downloaded: plain, or packed with gzip, zip or xz. */

export const IMAGE_MAX_BYTES = 32 * 1024 ** 3;
const READ_BYTES = 1024 * 1024;

export interface BaseImage {
  /** Unpacked, in the folder that was given; the caller removes it. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the unpacked image. */
  readonly sha256: string;
  readonly layout: ImageLayout;
  /** `slug` of its device-type.json, such as `raspberrypi5`. */
  readonly deviceType: string | undefined;
}

/**
 * Unpacks a base image into `folder` and looks whether it is balenaOS. What it is, its first bytes say, not its name. Throws `not_found`, or
 * `image_invalid` for one that is cut off, too large, or something else.
 */
export async function openBaseImage(
  shell: Shell,
  file: string,
  folder: string,
  options: { readonly signal: AbortSignal; readonly maxBytes?: number },
): Promise<BaseImage> {
  const { signal, maxBytes = IMAGE_MAX_BYTES } = options;
  const packedBytes = await sizeOf(file);
  const kind = await kindOf(file);
  if (kind === 'xz') await ensurePrograms(shell, ['xz']);
  const path = join(folder, 'base.img');
  const progress = startProgress(
    shell,
    `touchline: reading ${file}`,
    kind === 'plain' ? packedBytes : undefined,
  );
  const target = await open(path, 'wx', 0o600);
  let written: { sizeBytes: number; sha256: string };
  try {
    written = await writeSparse(unpacked(shell, file, kind), target, {
      signal,
      onBytes(bytes) {
        if (bytes > maxBytes)
          throw new TouchlineError('image_invalid', `${file}: is larger than ${maxBytes} bytes unpacked`, {
            remedy: 'An image of balenaOS has a few GiB; this is something else.',
          });
        progress.at(bytes);
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    throw asBroken(file, error);
  } finally {
    await target.close();
  }
  progress.end();
  const layout = await readLayout(path).catch((error: unknown) => {
    // The copy has another name than what was asked for.
    if (error instanceof TouchlineError)
      throw new TouchlineError(error.code, error.message.replaceAll(path, file), {
        cause: error,
        remedy: error.remedy,
      });
    throw error;
  });
  return { path, ...written, layout, deviceType: await deviceTypeOf(path, layout) };
}

type Kind = 'plain' | 'gzip' | 'zip' | 'xz';
const MAGIC: readonly [Kind, readonly number[]][] = [
  ['gzip', [0x1f, 0x8b]],
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

async function kindOf(file: string): Promise<Kind> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    const head = [...buffer.subarray(0, bytesRead)];
    return MAGIC.find(([, magic]) => magic.every((byte, index) => head[index] === byte))?.[0] ?? 'plain';
  } finally {
    await handle.close();
  }
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new TouchlineError('not_found', `${file}: cannot be read (${cause.code})`, {
      cause,
      field: 'base',
      remedy: 'Name the file of a balenaOS image: .img, .img.gz, .img.xz or .zip.',
    });
  });
  if (!found.isFile())
    throw new TouchlineError('not_found', `${file}: is not a file`, {
      field: 'base',
      remedy: 'Name the file of a balenaOS image: .img, .img.gz, .img.xz or .zip.',
    });
  return found.size;
}

function unpacked(shell: Shell, file: string, kind: Kind): AsyncIterable<Buffer> {
  switch (kind) {
    case 'plain':
      return createReadStream(file, { highWaterMark: READ_BYTES });
    case 'gzip':
      return gunzipped(file);
    case 'zip':
      return unzipped(file);
    case 'xz':
      return unxzed(shell, file);
  }
}

async function* gunzipped(file: string): AsyncIterable<Buffer> {
  const source = createReadStream(file, { highWaterMark: READ_BYTES });
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  source.on('error', (error) => gunzip.destroy(error));
  yield* endless(source.pipe(gunzip), () => source.destroy());
}

async function* unzipped(file: string): AsyncIterable<Buffer> {
  const zip = await openPromise(file, { lazyEntries: true, autoClose: false });
  try {
    const entry = await onlyImage(file, zip);
    const stream = await zip.openReadStreamPromise(entry);
    yield* endless(stream as Readable, () => undefined);
  } finally {
    zip.close();
  }
}

async function onlyImage(file: string, zip: ZipFile): Promise<Entry> {
  const images: Entry[] = [];
  for await (const entry of zip.eachEntry()) if (/\.img$/i.test(entry.fileName)) images.push(entry);
  const [image, second] = images;
  if (image === undefined || second !== undefined)
    throw new TouchlineError(
      'image_invalid',
      `${file}: has ${image === undefined ? 'no' : 'more than one'} file that ends in .img`,
    );
  return image;
}

async function* unxzed(shell: Shell, file: string): AsyncIterable<Buffer> {
  const child = spawn('xz', ['--decompress', '--stdout', '--', file], {
    env: { ...shell.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  yield* endless(child.stdout, () => void child.kill());
  const code = await ended;
  if (code !== 0) throw new Error(told.trim() || `xz ended with ${code}`);
}

/** A stream whose source ends with it, also when nobody reads to the end. */
async function* endless(stream: Readable, stop: () => void): AsyncIterable<Buffer> {
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } finally {
    stop();
    stream.destroy();
  }
}

function asBroken(file: string, error: unknown): unknown {
  if (error instanceof TouchlineError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  if (full)
    return new TouchlineError('insufficient_storage', `${file}: there is no room to unpack it`, {
      cause: error,
      remedy: 'Free space in the folder of --out.',
    });
  const cutOff = /unexpected end|truncated|end of central directory|premature|too few bytes/i.test(message);
  return new TouchlineError(
    'image_invalid',
    cutOff ? `${file}: is cut off: ${message}` : `${file}: cannot be unpacked: ${message}`,
    { cause: error, remedy: 'Download the image again and compare its checksum.' },
  );
}

async function deviceTypeOf(path: string, { boot }: ImageLayout): Promise<string | undefined> {
  const text = (await readBootFiles(path, boot, ['device-type.json'])).get('device-type.json');
  if (text === undefined) return undefined;
  try {
    return String((JSON.parse(text.toString()) as { slug?: unknown }).slug);
  } catch (cause) {
    throw new TouchlineError('image_invalid', 'device-type.json of the base image is not JSON', { cause });
  }
}
