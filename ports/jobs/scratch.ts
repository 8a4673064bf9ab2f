import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { fileLock, type HeldLock } from '#ports/lock/file-lock.ts';
import type { Executor, JobKind, JobRequest, JobRun } from './jobs.ts';

/** Folders in which jobs work, on this machine: `{what it is of}-{its settings}`, both as hashes. */
export interface ScratchFolders {
  /** The folder of a job, locked against other processes. Folders of the same with other settings are removed. */
  open(job: JobRequest): Promise<ScratchFolder>;
  /** Removes what nobody uses and nobody came back for, and what is no folder of a job. */
  tidy(): Promise<void>;
}

export interface ScratchFolder {
  readonly path: string;
  /** False: somebody else works in the one of these settings, and this one begins empty. */
  readonly resumable: boolean;
  /** `keep`: for the next run. */
  close(keep: boolean): Promise<void>;
}

const KEPT_MS = 7 * 24 * 3600 * 1000;
/** A worker that was killed has lost its lock by then. */
const LOCK_WAIT_SEC = 5;
const NAME = /^([0-9a-f]{24})-[0-9a-f]{24}(\.[0-9a-f-]+)?$/;

export function scratchFolders(root: string): ScratchFolders {
  const removeUnused = async (name: string): Promise<void> => {
    const path = join(root, name);
    const lock = await fileLock(path, 0);
    if (!lock) return;
    await rm(path, { recursive: true, force: true });
    await lock.release();
  };
  const tidy = async (isSuperseded: (name: string) => boolean = () => false): Promise<void> => {
    for (const name of await readdir(root)) {
      const found = await stat(join(root, name)).catch((error: NodeJS.ErrnoException) => {
        // Another worker of this machine tidies too.
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (found === undefined) continue;
      const old = Date.now() - found.mtimeMs > KEPT_MS;
      if (old || !NAME.test(name) || isSuperseded(name)) await removeUnused(name);
    }
  };
  const opened = (path: string, lock: HeldLock, resumable: boolean): ScratchFolder => ({
    path,
    resumable,
    async close(keep) {
      if (!keep || !resumable) await rm(path, { recursive: true, force: true });
      await lock.release();
    },
  });

  return {
    tidy,
    async open(job) {
      const subject = hashOf([job.kind, job.session_uid, job.subject]);
      const name = `${subject}-${hashOf(job.settings)}`;
      await mkdir(root, { recursive: true });
      await tidy((other) => other.startsWith(subject) && !other.startsWith(name));
      const path = join(root, name);
      await mkdir(path, { recursive: true });
      const lock = await fileLock(path, LOCK_WAIT_SEC);
      if (lock) {
        const now = new Date();
        await utimes(path, now, now);
        return opened(path, lock, true);
      }
      const aside = `${path}.${randomUUID()}`;
      await mkdir(aside);
      const own = await fileLock(aside, LOCK_WAIT_SEC);
      if (!own) throw new Error(`${aside} is new and locked by somebody else`);
      return opened(aside, own, false);
    },
  };
}

/** An executor as a queue runs it: with its folder, which stays when the job did not end well. */
export function withScratch<K extends JobKind>(folders: ScratchFolders, execute: Executor<K>): JobRun<K> {
  return async (job, report) => {
    const folder = await folders.open(job as JobRequest);
    if (!folder.resumable) report.log('another worker still works on the same: this one begins anew');
    let keep = true;
    try {
      const result = await execute(job, { ...report, scratch: folder.path });
      keep = false;
      return result;
    } catch (error) {
      // What was begun must not keep the room that everything else lacks.
      if (error instanceof TouchlineError && error.code === 'insufficient_storage') keep = false;
      throw error;
    } finally {
      await folder.close(keep);
    }
  };
}

function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')
    .slice(0, 24);
}

/** The same text for the same settings, in whatever order they were given. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
