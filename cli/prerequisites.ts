import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { type Shell, say } from './shell.ts';

/** Programs from outside npm, and the Debian packages that bring each. */
const DEBIAN_PACKAGES = {
  ffmpeg: ['ffmpeg'],
  ffprobe: ['ffmpeg'],
  // One tool of Hugin stands for all.
  cpfind: ['hugin-tools'],
  mosquitto_pub: ['mosquitto-clients'],
  mosquitto_sub: ['mosquitto-clients'],
  curl: ['curl'],
  // Stands for chronyd, which lies where a user's PATH does not look.
  chronyc: ['chrony'],
  'dbus-daemon': ['dbus-daemon'],
  socat: ['socat'],
  mmdebstrap: ['mmdebstrap'],
  // One tool of each package stands for all.
  debugfs: ['e2fsprogs'],
  xz: ['xz-utils'],
  ip: ['iproute2'],
  dtc: ['device-tree-compiler'],
  // One tool of each package stands for all.
  mcopy: ['mtools'],
  lsblk: ['util-linux'],
  'mkfs.vfat': ['dosfstools'],
  sfdisk: ['fdisk'],
  bmaptool: ['bmap-tools'],
  pdftotext: ['poppler-utils'],
  zip: ['zip'],
  openssl: ['openssl'],
  // Without a font its pictures of the pages have no words.
  chromium: ['chromium', 'fonts-dejavu-core'],
} as const satisfies Record<string, readonly string[]>;
type Program = keyof typeof DEBIAN_PACKAGES;

/** What each command needs. */
export const NEEDS = {
  demo: ['ffmpeg', 'ffprobe', 'cpfind'],
  test: [
    'ffmpeg',
    'ffprobe',
    'cpfind',
    'mosquitto_pub',
    'mosquitto_sub',
    'curl',
    'chronyc',
    'dbus-daemon',
    'socat',
    'chromium',
    'dtc',
    'mcopy',
    'mkfs.vfat',
    'sfdisk',
    'bmaptool',
    'pdftotext',
    'zip',
    'xz',
    'openssl',
  ],
  image: ['dtc', 'mcopy'],
  bench: ['ffmpeg', 'ffprobe', 'cpfind', 'mosquitto_pub', 'mosquitto_sub', 'curl', 'chromium'],
  lab: ['ffmpeg', 'ffprobe', 'mmdebstrap', 'debugfs', 'xz', 'ip'],
} as const satisfies Record<string, readonly Program[]>;

/** Where a program is, or undefined. */
export function whereIs(program: string, env: Shell['env']): string | undefined {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder of PATH: the next one may have it.
    }
  }
  return undefined;
}

/**
 * Makes sure that the programs are there. Root gets them through apt; anybody else gets the one line to type, as
 * `program_missing`.
 */
export async function ensurePrograms(shell: Shell, programs: readonly Program[]): Promise<void> {
  // A user's PATH lacks the folders of programs for root, such as mkfs.vfat; who calls them knows.
  const PATH = [shell.env.PATH ?? '', '/usr/sbin', '/sbin'].join(delimiter);
  const missing = () => programs.filter((program) => whereIs(program, { PATH }) === undefined);
  const absent = missing();
  if (absent.length === 0) return;
  const packages = [...new Set(absent.flatMap((program) => DEBIAN_PACKAGES[program]))];
  const line = `sudo apt-get install -y ${packages.join(' ')}`;
  if (!shell.superuser || whereIs('apt-get', shell.env) === undefined)
    throw new TouchlineError('program_missing', `${absent.join(', ')}: not installed. Type: ${line}`);

  say(shell, `touchline: installing ${packages.join(' ')} with apt-get …`);
  await aptGet(shell, ['update']);
  await aptGet(shell, ['install', '-y', '--no-install-recommends', ...packages]);
  if (missing().length > 0)
    throw new TouchlineError(
      'program_missing',
      `apt-get did not bring ${missing().join(', ')}. Type: ${line}`,
    );
}

async function aptGet(shell: Shell, args: string[]): Promise<void> {
  // apt's talk goes to stderr: stdout belongs to the command's result.
  const child = spawn('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-q', ...args], {
    env: { ...shell.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => shell.stderr.write(chunk));
  child.stderr.on('data', (chunk: Buffer) => shell.stderr.write(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new TouchlineError(
      'program_missing',
      `apt-get ${args[0]} failed (${code}). Type: sudo apt-get ${args.join(' ')}`,
    );
}
