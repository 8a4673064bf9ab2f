import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { runLoudly } from './run.ts';

const SUITE = 'bookworm';
/** What jobs use beside the product and its Node, which guests find at /product. */
const PACKAGES = [
  ...['dbus', 'udev', 'kmod', 'procps', 'util-linux', 'e2fsprogs', 'dmsetup', 'iproute2', 'iputils-ping'],
  ...['ffmpeg', 'v4l-utils', 'libcamera-tools', 'libcamera-ipa', 'alsa-utils', 'gpiod', 'i2c-tools'],
  ...['chrony', 'pps-tools', 'iw', 'hostapd', 'wpasupplicant', 'network-manager', 'dnsmasq-base'],
  'isc-dhcp-client',
];
/** Not read by any job. */
const LEFT_OUT = ['doc', 'man', 'locale', 'info'].map(
  (folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`,
);

/**
 * The root of all guests, a folder with Debian in it. Guests start from it and change nothing in it; `/lab/guest-init` is
 * their first process.
 */
export async function labRoot(log: (line: string) => void): Promise<string> {
  const hash = createHash('sha256')
    .update(JSON.stringify([SUITE, PACKAGES, LEFT_OUT]))
    .digest('hex')
    .slice(0, 12);
  const folder = await cached(`root-${hash}`, log, async (making) => {
    log('making the root of the guests with mmdebstrap, once: one to four minutes, 700 MB …');
    await runLoudly('mmdebstrap', [
      ...['--quiet', '--variant=minbase', `--include=${PACKAGES.join(',')}`, ...LEFT_OUT],
      '--aptopt=APT::Install-Recommends "false"',
      // From the mirror that mmdebstrap knows.
      ...[SUITE, join(making, 'root')],
    ]);
  });
  const root = join(folder, 'root');
  const init = join(import.meta.dirname, '../kernel/guest-init');
  const inside = join(root, 'lab/guest-init');
  if (!existsSync(inside) || !readFileSync(inside).equals(readFileSync(init))) {
    mkdirSync(join(root, 'lab'), { recursive: true });
    // A guest that starts just now reads the old one or the new one.
    await copyFile(init, `${inside}.${process.pid}`);
    renameSync(`${inside}.${process.pid}`, inside);
  }
  return root;
}
