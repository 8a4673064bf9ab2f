import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { getFsLabel, interact } from 'balena-image-fs';
import { FileDisk, withOpenFile } from 'file-disk';
import { type GetPartitionsResult, getPartitions } from 'partitioninfo';
import { TouchlineError } from '#contracts/errors.ts';
import type { Shell } from '../shell.ts';
import { runTool } from './run-tool.ts';

/** The partition of a balenaOS image that the firmware boots from, and the files in it. */

/** Name of the partition (GPT) or label of its file system (MBR), as balenaOS has it. */
const BOOT_NAME = 'resin-boot';

export interface ImagePartition {
  readonly index: number;
  readonly name: string | undefined;
  readonly offset: number;
  readonly size: number;
}

export interface ImageLayout {
  readonly table: 'mbr' | 'gpt';
  readonly partitions: readonly ImagePartition[];
  readonly boot: ImagePartition;
}

/** Throws `image_invalid` for what is no disk image, for one that is cut off, and for one that is not balenaOS. */
export async function readLayout(image: string): Promise<ImageLayout> {
  return withOpenFile(image, 'r', async (handle) => {
    const disk = new FileDisk(handle, true);
    const capacity = await disk.getCapacity();
    const found = await getPartitions(disk).catch((cause: unknown) => {
      throw foreign(`${image}: has no partition table: it is no disk image`, cause);
    });
    if (found.partitions.length === 0) throw foreign(`${image}: has no partitions: it is no disk image`);
    const partitions: ImagePartition[] = [];
    for (const partition of found.partitions) {
      const { index, offset, size } = partition;
      if (offset + size > capacity)
        throw new TouchlineError(
          'image_invalid',
          `${image}: is cut off: partition ${index} ends at byte ${offset + size}, the file at ${capacity}`,
          { remedy: 'Download the image again and compare its checksum.' },
        );
      partitions.push({ index, name: await nameOf(disk, partition), offset, size });
    }
    const boot = partitions.find(({ name }) => name === BOOT_NAME);
    if (boot === undefined) {
      const names = partitions.map(({ name }) => name ?? 'one without a name').join(', ');
      throw foreign(`${image}: has no partition ${BOOT_NAME}, so it is not balenaOS; there are ${names}`);
    }
    return { table: found.type, partitions, boot };
  });
}

type Found = GetPartitionsResult['partitions'][number];

async function nameOf(disk: FileDisk, partition: Found): Promise<string | undefined> {
  if ('name' in partition && partition.name !== '') return partition.name;
  // An extended or empty partition has no label; that says nothing about the image.
  return getFsLabel(disk, partition).catch(() => undefined);
}

/** Reads files of the boot partition; what is not there is left out. */
export async function readBootFiles(
  image: string,
  boot: ImagePartition,
  paths: readonly string[],
): Promise<Map<string, Buffer>> {
  return inside(image, boot, async (fs) => {
    const found = new Map<string, Buffer>();
    for (const path of paths) {
      const content = await fs.promises.readFile(`/${path}`).catch(absent);
      if (content !== undefined) found.set(path, content);
    }
    return found;
  });
}

/** Names in one folder of the boot partition; none when the folder is not there. */
export async function listBootFolder(image: string, boot: ImagePartition, folder: string): Promise<string[]> {
  return inside(
    image,
    boot,
    async (fs) => (await fs.promises.readdir(`/${folder}`).catch(absent))?.sort() ?? [],
  );
}

type Fs = Parameters<Parameters<typeof interact>[2]>[0];

async function inside<T>(image: string, boot: ImagePartition, look: (fs: Fs) => Promise<T>): Promise<T> {
  return withOpenFile(image, 'r', (handle) => interact(new FileDisk(handle, true), boot.index, look));
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'NOENT') return undefined;
  throw error;
}

/** 2024-01-01: every file in an image has this time, so that two builds give the same bytes. */
const FILE_TIME_SEC = 1_704_067_200;

/**
 * Writes files into the boot partition with mtools, which keeps both copies of the allocation table and the count of free clusters right, and
 * takes its time from `SOURCE_DATE_EPOCH`. The same files into the same image give the same bytes. Throws `image_invalid` when they do not fit.
 */
export async function writeBootFiles(
  shell: Pick<Shell, 'env'>,
  image: string,
  boot: ImagePartition,
  files: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const drive = `${image}@@${boot.offset}`;
  const stage = await mkdtemp(join(dirname(image), '.boot-'));
  const env = {
    SOURCE_DATE_EPOCH: String(FILE_TIME_SEC),
    TZ: 'UTC',
    // No settings of whoever builds the image.
    HOME: stage,
    MTOOLSRC: '/dev/null',
    MTOOLS_SKIP_CHECK: '1',
  };
  const failure = (stderr: string): Error =>
    new TouchlineError('image_invalid', `${image}: the boot partition cannot be written: ${stderr}`, {
      remedy: /full/i.test(stderr)
        ? 'The boot partition is full: take overlays or settings away, or use another base image.'
        : 'Check the base image with fsck.vfat; download it again.',
    });
  try {
    const paths = [...files.keys()].sort();
    for (const folder of new Set(paths.map(dirname))) {
      const name = basename(folder);
      const listed = folder === '.' ? [name] : await listBootFolder(image, boot, dirname(folder));
      if (!listed.some((each) => each.toLowerCase() === name.toLowerCase()))
        await runTool(shell, 'mmd', ['-i', drive, `::/${folder}`], { env, failure });
      await mkdir(join(stage, folder), { recursive: true });
      const staged: string[] = [];
      for (const path of paths.filter((each) => dirname(each) === folder)) {
        staged.push(join(stage, path));
        await writeFile(join(stage, path), files.get(path) ?? '', { mode: 0o600 });
      }
      await runTool(shell, 'mcopy', ['-D', 'o', '-i', drive, ...staged, `::/${folder}/`], { env, failure });
    }
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

export function sha256Of(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

function foreign(message: string, cause?: unknown): TouchlineError {
  return new TouchlineError('image_invalid', message, { cause });
}
