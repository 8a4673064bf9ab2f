import { readFile, readlink, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';

/**
 * The disk below a folder, as the kernel names it (`nvme0n1`): by the mount it is in (/proc/self/mountinfo, proc(5)) and the device's place in
 * sysfs. Throws `sensor_failed` when the folder is on no disk.
 */
export async function diskBelow(
  folder: string,
  { procfs = '/proc', sysfs = '/sys' }: { procfs?: string; sysfs?: string } = {},
): Promise<string> {
  const failed = (what: string, cause?: unknown): TouchlineError =>
    new TouchlineError('sensor_failed', `${folder}: ${what}`, { field: 'storage.path', cause });
  const path = await realpath(folder).catch((error: unknown) => {
    throw failed(`it is not there: ${(error as Error).message}`, error);
  });
  const mounts = (await readFile(join(procfs, 'self/mountinfo'), 'utf8')).split('\n').flatMap(mountOf);
  // Of two mounts at one place the later one is seen.
  const mount = mounts
    .filter(({ at }) => path === at || path.startsWith(at === '/' ? '/' : `${at}/`))
    .reduce<Mount | undefined>(
      (best, each) => (!best || each.at.length >= best.at.length ? each : best),
      undefined,
    );
  if (!mount) throw failed('it is in no mount');
  const link = await readlink(join(sysfs, 'dev/block', mount.device)).catch((error: unknown) => {
    throw failed(`it is on ${mount.source} (${mount.type}), which is no disk`, error);
  });
  // A partition is a folder within its disk's.
  const names = link.split('/');
  const block = names.lastIndexOf('block');
  return names[block + 1] ?? basename(link);
}

interface Mount {
  readonly device: string;
  readonly at: string;
  readonly type: string;
  readonly source: string;
}

function mountOf(line: string): Mount[] {
  const [before = '', after = ''] = line.split(' - ');
  const [, , device, , at] = before.split(' ');
  const [type, source] = after.split(' ');
  if (!device || !at || !type || !source) return [];
  return [{ device, at: unescaped(at), type, source: unescaped(source) }];
}

/** Blanks and the like are written in octal there. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
