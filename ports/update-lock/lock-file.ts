import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { z } from 'zod';
import type { Flock } from './flock.ts';
import type { LockHolder } from './update-lock.ts';

/**
 * One file of the lock, in the two ways that balenaOS knows: that it exists keeps the Supervisor from ending containers, a flock on it keeps an update
 * of the host from rebooting.
 */
export interface HeldFile {
  readonly path: string;
  readonly descriptor: number;
  /** Whether it goes when it is released: one that somebody else made is only flocked. */
  readonly mine: boolean;
}

export type FileOutcome = { readonly held: HeldFile } | { readonly takenBy: LockHolder };

/** As whom the Supervisor makes its own lock files (docs/update-locking.md of balena-supervisor). */
export const SUPERVISOR_UID = 65_534;
const Content = z.object({ touchline: z.literal('update-lock'), owner: z.string(), reason: z.string() });
const SHARED_MODE = 0o664;
/** Always of this size, so that one write replaces it whole. */
const CONTENT_BYTES = 512;
const REASON_CHARACTERS_MAX = 100;
/** Whoever only looks holds the flock for a moment. */
const LOOKS_MAX = 50;
const LOOK_PAUSE_MS = 1;
const RACES_MAX = 5;

/** Throws what the file system throws. */
export function takeFile(path: string, holder: LockHolder, flock: Flock): FileOutcome {
  for (let race = 0; race < RACES_MAX; race++) {
    const outcome = create(path, holder, flock) ?? takeOver(path, holder, flock);
    if (outcome !== undefined) return outcome;
  }
  throw new Error(`${path} is made and removed all the time`);
}

/** Who holds the file now; undefined when nobody does, whatever a dead process left. */
export function lookAtFile(path: string, flock: Flock): LockHolder | undefined {
  const descriptor = unless('ENOENT', () => openSync(path, constants.O_RDONLY));
  if (descriptor === undefined) return undefined;
  try {
    const [text, stats] = [readFileSync(descriptor, 'utf8'), fstatSync(descriptor)];
    if (flock(descriptor, 'shared') === 'taken' || isSupervisors(text, stats)) return holderOf(text, stats);
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** What a dead process of this product left in the file. */
export function leftIn(path: string, flock: Flock): LockHolder | undefined {
  const text = unless('ENOENT', () => readFileSync(path, 'utf8'));
  const left = text === undefined ? undefined : parsed(text);
  return left && lookAtFile(path, flock) === undefined ? left : undefined;
}

/** Tells the new reason; does nothing to a file that somebody else made. */
export function retell({ descriptor, mine }: HeldFile, holder: LockHolder): void {
  if (mine) write(descriptor, holder);
}

/** The file goes before its flock: nobody finds one that is left behind. */
export function releaseFile({ path, descriptor, mine }: HeldFile): void {
  try {
    if (mine && isStillAt(path, descriptor)) unlinkSync(path);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes the file where there is none. It appears as a whole: with its content, and locked. */
function create(path: string, holder: LockHolder, flock: Flock): FileOutcome | undefined {
  // Looked for first: mostly one that is there is held, and nothing needs to be made.
  if (statSync(path, { throwIfNoEntry: false })) return undefined;
  const beside = `${path}.${process.pid}`;
  unless('ENOENT', () => unlinkSync(beside));
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  const descriptor = openSync(beside, O_RDWR | O_CREAT | O_EXCL, SHARED_MODE);
  let linked = false;
  try {
    // Whatever the umask: services of one node run as different users of one group, and take over what one of them left.
    fchmodSync(descriptor, SHARED_MODE);
    write(descriptor, holder);
    flock(descriptor, 'exclusive');
    // Like O_EXCL: it fails where a file is.
    linked = unless('EEXIST', () => linkSync(beside, path) ?? true) ?? false;
    return linked ? { held: { path, descriptor, mine: true } } : undefined;
  } finally {
    unlinkSync(beside);
    if (!linked) closeSync(descriptor);
  }
}

function takeOver(path: string, holder: LockHolder, flock: Flock): FileOutcome | undefined {
  const writable = unless(['ENOENT', 'EACCES'], () => openSync(path, constants.O_RDWR));
  const descriptor = writable ?? unless('ENOENT', () => openSync(path, constants.O_RDONLY));
  if (descriptor === undefined) return undefined;
  let held = false;
  try {
    const locked = patiently(() => flock(descriptor, 'exclusive') === 'locked');
    const [text, stats] = [readFileSync(descriptor, 'utf8'), fstatSync(descriptor)];
    if (!locked || isSupervisors(text, stats)) return { takenBy: holderOf(text, stats) };
    // Whoever held it before may have removed it between our open and our flock.
    if (!isStillAt(path, descriptor)) return undefined;
    const mine = writable !== undefined && parsed(text) !== undefined;
    if (mine) write(descriptor, holder);
    held = true;
    return { held: { path, descriptor, mine } };
  } finally {
    if (!held) closeSync(descriptor);
  }
}

function write(descriptor: number, { owner, reason }: LockHolder): void {
  const content = {
    touchline: 'update-lock',
    owner,
    reason: reason.slice(0, REASON_CHARACTERS_MAX),
  } as const;
  const bytes = Buffer.alloc(CONTENT_BYTES, ' ');
  bytes.write(JSON.stringify(content));
  writeSync(descriptor, bytes, 0, CONTENT_BYTES, 0);
}

function isStillAt(path: string, descriptor: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  const { ino, dev } = fstatSync(descriptor);
  return there?.ino === ino && there.dev === dev;
}

function patiently(attempt: () => boolean): boolean {
  for (let count = 0; ; count++) {
    if (attempt()) return true;
    if (count === LOOKS_MAX) return false;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_PAUSE_MS);
  }
}

function isSupervisors(text: string, { uid }: Stats): boolean {
  return uid === SUPERVISOR_UID && parsed(text) === undefined;
}

function parsed(text: string): LockHolder | undefined {
  try {
    const { owner, reason } = Content.parse(JSON.parse(text));
    return { owner, reason };
  } catch {
    return undefined;
  }
}

function holderOf(text: string, stats: Stats): LockHolder {
  return (
    parsed(text) ??
    (isSupervisors(text, stats)
      ? { owner: 'Supervisor', reason: 'it is replacing the containers' }
      : { owner: 'another program', reason: 'it holds the update lock' })
  );
}

function unless<T>(codes: string | readonly string[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if ([codes].flat().includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
