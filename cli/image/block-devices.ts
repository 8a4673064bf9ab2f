import { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import type { Shell } from '../shell.ts';
import { runTool } from './run-tool.ts';

/** Disks of this machine as `lsblk` lists them, and which of them an image may be written to. */

interface Listed {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly ro: boolean;
  readonly model: string | null;
  readonly serial: string | null;
  readonly tran: string | null;
  readonly mountpoints: readonly (string | null)[];
  readonly children?: readonly Listed[] | undefined;
}

const Listed: z.ZodType<Listed> = z.object({
  name: z.string(),
  path: z.string(),
  type: z.string(),
  size: z.number(),
  ro: z.boolean(),
  model: z.string().nullable(),
  serial: z.string().nullable(),
  tran: z.string().nullable(),
  mountpoints: z.array(z.string().nullable()),
  get children() {
    return z.array(Listed).optional();
  },
});

export interface TargetDisk {
  readonly path: string;
  readonly sizeBytes: number;
  /** Maker's name, bus and serial number, as far as it tells. */
  readonly title: string;
}

/** Where only parts of a running system are mounted. */
const OF_THE_SYSTEM = /^(\/|\/boot(\/.*)?|\/usr|\/var|\/home|\[SWAP\])$/;

/**
 * The disk behind a path, when an image of `imageBytes` may be written to it. Throws `flash_refused` for what is no whole disk, for one that
 * is mounted or belongs to this system, and for one that is read-only or too small.
 */
export async function targetDisk(
  shell: Pick<Shell, 'env'>,
  path: string,
  imageBytes: number,
): Promise<TargetDisk> {
  const disks = await listDisks(shell);
  const disk = disks.find((each) => each.path === path);
  const refuse = (reason: string, remedy: string): never => {
    throw new TouchlineError('flash_refused', `${path}: ${reason}`, { field: 'device', remedy });
  };
  if (disk === undefined || disk.type !== 'disk') {
    const owner = disks.find((each) => all(each).some((part) => part.path === path));
    return owner !== undefined
      ? refuse(`is a part of ${owner.path}, and an image is for a whole disk`, `Name ${owner.path}.`)
      : refuse(
          'is no disk of this machine',
          `There are: ${disks.map((each) => `${each.path} (${titleOf(each)})`).join(', ') || 'none'}.`,
        );
  }
  const mounted = all(disk).flatMap((part) => part.mountpoints.filter((point) => point !== null));
  if (mounted.some((point) => OF_THE_SYSTEM.test(point)))
    refuse(`this system runs from it (${mounted.join(', ')})`, 'Name another disk.');
  if (mounted.length > 0)
    refuse(`is mounted (${mounted.join(', ')})`, 'Look whether it is the right one, then unmount it.');
  if (disk.ro) refuse('is read-only', 'Move the switch of the card, or use another one.');
  if (disk.size < imageBytes)
    refuse(`has ${disk.size} bytes, the image has ${imageBytes}`, 'Use a larger one.');
  return { path: disk.path, sizeBytes: disk.size, title: titleOf(disk) };
}

async function listDisks(shell: Pick<Shell, 'env'>): Promise<Listed[]> {
  const columns = 'NAME,PATH,TYPE,SIZE,RO,MODEL,SERIAL,TRAN,MOUNTPOINTS';
  const text = await runTool(shell, 'lsblk', ['--json', '--bytes', '--output', columns], {
    failure: (stderr, code) => new TouchlineError('flash_refused', `lsblk failed (${code}): ${stderr}`),
  });
  const parsed = z.object({ blockdevices: z.array(Listed) }).safeParse(JSON.parse(text));
  if (!parsed.success)
    throw new TouchlineError('flash_refused', 'what lsblk tells of the disks cannot be understood', {
      cause: parsed.error,
      remedy: 'Write the image with bmaptool; docs/flashing.md says how.',
    });
  return parsed.data.blockdevices;
}

function all(disk: Listed): Listed[] {
  return [disk, ...(disk.children ?? []).flatMap(all)];
}

function titleOf({ model, tran, serial, size }: Listed): string {
  return [model?.trim(), tran, serial?.trim(), `${(size / 1e9).toFixed(1)} GB`].filter(Boolean).join(', ');
}
