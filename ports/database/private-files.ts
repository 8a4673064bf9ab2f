import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';

/** Where the private server keeps its things: data by major version, socket in a folder that only we may enter. */
export interface PrivatePlaces {
  readonly root: string;
  readonly data: string;
  readonly socket: string;
}

/**
 * Socket paths are limited to 107 bytes, so the socket lives in the temporary folder, under a name made from the
 * data path: every process with the same configuration finds the same server.
 */
export function privatePlaces(root: string, major: string): PrivatePlaces {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  return { root, data: join(root, major), socket: join(tmpdir(), `touchline-pg-${name}`) };
}

export function unavailable(
  message: string,
  wayOut: string,
  extras: { cause?: unknown; details?: Record<string, unknown> } = {},
): TouchlineError {
  return new TouchlineError('database_unavailable', message, {
    cause: extras.cause,
    details: { way_out: wayOut, ...extras.details },
  });
}

/** Makes the socket folder, and refuses one that somebody else could have put there. */
export async function ownSocketFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0)
    throw unavailable(
      `${folder} is not a folder that only this user may enter`,
      `remove ${folder}, or set TMPDIR to a folder of your own`,
    );
}

/** Leaves nothing in the temporary folder, unless a server that did not stop still has its socket there. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'ENOENT') throw error;
  });
}

/** Whether the data directory is there. Throws when only data of another major version is. */
export async function dataThere(places: PrivatePlaces, major: string): Promise<boolean> {
  const names = await readdir(places.root).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.includes(major)) {
    const version = (await readFile(join(places.data, 'PG_VERSION'), 'utf8')).trim();
    if (version === major) return true;
    throw otherMajor(places, version, major);
  }
  const other = names.find((name) => /^\d+$/.test(name));
  if (other !== undefined) throw otherMajor(places, other, major);
  return false;
}

function otherMajor(places: PrivatePlaces, found: string, wanted: string): TouchlineError {
  return unavailable(
    `${places.root} holds data of PostgreSQL ${found}; this release brings PostgreSQL ${wanted}`,
    `start the release that wrote it, dump with pg_dump, move ${join(places.root, found)} away, start this one and ` +
      'restore the dump; or point database.url to a server that has the data. Recordings are not affected: an empty ' +
      'database is filled again from the session folders.',
    { details: { found_major: found, wanted_major: wanted } },
  );
}

/** Makes a data directory with `init`, under another name until it is whole. */
export async function makeData(
  places: PrivatePlaces,
  init: (folder: string) => Promise<void>,
): Promise<void> {
  const unfinished = `${places.data}.new`;
  await mkdir(dirname(unfinished), { recursive: true, mode: 0o700 });
  // Only ever an `initdb` that did not end: data is served from the final name alone.
  await rm(unfinished, { recursive: true, force: true });
  await init(unfinished);
  await rename(unfinished, places.data);
}

/** The server process that a data directory names, while it lives. */
export async function livingPostmaster(places: PrivatePlaces): Promise<number | undefined> {
  const text = await readFile(join(places.data, 'postmaster.pid'), 'utf8').catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    },
  );
  const pid = Number(text.split('\n')[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  // Numbers are used again after a restart of the machine: it counts only when it is a server of this directory.
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.split('\0').includes(places.data) ? pid : undefined;
}
