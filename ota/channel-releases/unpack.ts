import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { ReleaseFile, ReleaseManifest } from '#contracts/release.ts';
import type { InstallDisk } from '#ports/install-disk/install-disk.ts';
import { type ArchivedFile, readArchive } from '../format/archive.ts';
import { type Places, UNFINISHED } from './places.ts';
import { installedIn } from './record.ts';

/**
 * Unpacks a bundle to `releases/{version}`. The folder has that name only once all in it is whole, checked and on the disk. Throws
 * `checksum_wrong`, `release_truncated`, `foreign_release`, `disk_full`, `disk_failed`.
 */
export async function unpack(
  disk: InstallDisk,
  places: Places,
  bundle: { readonly path: string; readonly file: ReleaseFile; readonly manifest: ReleaseManifest },
): Promise<void> {
  const { file, manifest } = bundle;
  const unfinished = `.new-${manifest.version}`;
  const folder = join(places.releases, unfinished);
  await disk.remove(folder);
  await disk.makeFolder(folder);
  const folders = new Set([folder]);
  const hash = createHash('sha256');
  let unpackedBytes = 0;
  const take = async (each: ArchivedFile): Promise<void> => {
    unpackedBytes += each.sizeBytes;
    if (unpackedBytes > (file.unpacked_bytes ?? 0))
      throw new TouchlineError('checksum_wrong', `${file.name} holds more than it says`);
    const path = join(folder, each.path);
    for (let above = dirname(path); !folders.has(above); above = dirname(above)) {
      await disk.makeFolder(above);
      folders.add(above);
    }
    await writeFile(disk, path, each);
  };
  await readArchive(createReadStream(bundle.path), take, (chunk) => void hash.update(chunk));
  if (hash.digest('hex') !== file.sha256)
    throw new TouchlineError('checksum_wrong', `${file.name} has changed since it was downloaded`);
  const inside = await installedIn(places, unfinished);
  if (inside?.version !== manifest.version || inside.architecture !== file.architecture)
    throw new TouchlineError('foreign_release', `${file.name} holds another release than its manifest says`);
  // The deepest first: a folder is on the disk before its name is.
  for (const each of [...folders].sort((a, b) => b.length - a.length)) await disk.syncFolder(each);
  await setAside(disk, places, manifest.version);
  await disk.rename(folder, join(places.releases, manifest.version));
  await disk.syncFolder(places.releases);
}

async function writeFile(disk: InstallDisk, path: string, file: ArchivedFile): Promise<void> {
  const to = await disk.open(path, 'create', file.executable);
  try {
    for await (const chunk of file.bytes) await to.append(chunk);
    await to.sync();
  } finally {
    await to.close();
  }
}

/** Removes a version. It loses its name before anything in it goes, so that no half of one is ever taken for a whole. */
export async function setAside(disk: InstallDisk, places: Places, version: string): Promise<void> {
  if ((await installedIn(places, version)) === undefined) {
    await disk.remove(join(places.releases, version));
    return;
  }
  const old = join(places.releases, `.old-${version}`);
  await disk.remove(old);
  await disk.rename(join(places.releases, version), old);
  await disk.syncFolder(places.releases);
  await disk.remove(old);
}

/** What an interrupted installation left. */
export async function removeUnfinished(
  disk: InstallDisk,
  places: Places,
  names: readonly string[],
): Promise<void> {
  for (const name of names.filter((each) => UNFINISHED.test(each)))
    await disk.remove(join(places.releases, name));
}
