import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { type Flock, loadFlock } from './flock.ts';
import { type HeldFile, leftIn, lookAtFile, releaseFile, retell, takeFile } from './lock-file.ts';
import type { LockHolder, LockOutcome, UpdateLock } from './update-lock.ts';

export interface UpdateLockFiles {
  /** Name of the service that takes it. */
  readonly owner: string;
  /** That of this product, which all services of the node see; its folder is made. */
  readonly own?: string;
  /** That of the operating system, `/tmp/balena/updates.lock`; left out where its folder is not there: then no balenaOS runs this. */
  readonly host?: string;
}

/** The update lock of a node, as its configuration says. */
export function nodeUpdateLock(
  owner: string,
  config: Pick<NodeConfig, 'runtime_dir' | 'updates'>,
): UpdateLock {
  return fileUpdateLock({
    owner,
    own: join(config.runtime_dir, 'updates.lock'),
    host: config.updates.host_lock,
  });
}

/** The part of it that the services of a node share: by it the updater sees the recorder, and the recorder the updater. */
export function sharedUpdateLock(owner: string, config: Pick<NodeConfig, 'runtime_dir'>): UpdateLock {
  return fileUpdateLock({ owner, own: join(config.runtime_dir, 'updates.lock') });
}

/** The part of it that the operating system knows. On balenaOS each container has one of its own, and all must be free. */
export function hostUpdateLock(owner: string, { updates }: Pick<NodeConfig, 'updates'>): UpdateLock {
  return fileUpdateLock({ owner, host: updates.host_lock });
}

/** The update lock as files. Taken in a fixed order, the own one first; when one cannot be had, none is kept. */
export function fileUpdateLock({ owner, own, host }: UpdateLockFiles): UpdateLock {
  const files: HeldFile[] = [];
  let held: LockHolder | undefined;
  let flock: Flock | undefined;
  const locked: Flock = (descriptor, how) => {
    flock ??= loadFlock();
    return flock(descriptor, how);
  };
  const paths = (): string[] => {
    const onHost = host !== undefined && statSync(dirname(host), { throwIfNoEntry: false }) !== undefined;
    return [...(own === undefined ? [] : [own]), ...(onHost ? [host] : [])];
  };

  const release = (): void => {
    held = undefined;
    for (const file of files.splice(0).reverse()) {
      try {
        releaseFile(file);
      } catch {
        // Its flock is gone with its descriptor; the file is taken over by the next who needs it.
      }
    }
  };
  const take = (reason: string): LockOutcome => {
    const holder = { owner, reason };
    try {
      if (held) {
        for (const file of files) retell(file, holder);
        held = holder;
        return { kind: 'held' };
      }
      if (own !== undefined) mkdirSync(dirname(own), { recursive: true });
      for (const path of paths()) {
        const outcome = takeFile(path, holder, locked);
        if ('takenBy' in outcome) {
          release();
          return { kind: 'taken', by: outcome.takenBy };
        }
        files.push(outcome.held);
      }
      held = holder;
      return { kind: 'held' };
    } catch (error) {
      release();
      return { kind: 'failed', error: lockFailed(error) };
    }
  };
  /** A file that cannot be looked at holds nobody up: taking it tells what is wrong. */
  const lookAt = <T>(look: (path: string) => T | undefined): T | undefined => {
    for (const path of paths()) {
      try {
        const found = look(path);
        if (found !== undefined) return found;
      } catch {
        // It is as if nobody held it.
      }
    }
    return undefined;
  };

  const leftBy = (path: string, fits: (owner: string) => boolean): LockHolder | undefined => {
    const left = leftIn(path, locked);
    return left && fits(left.owner) ? left : undefined;
  };

  return {
    get held() {
      return held;
    },
    take,
    release,
    adopt(reason) {
      const left = lookAt((path) => leftBy(path, (by) => by === owner));
      return left !== undefined && held === undefined && take(reason).kind === 'held';
    },
    left: () => lookAt((path) => leftBy(path, (by) => by !== owner)),
    others: () => (held ? undefined : lookAt((path) => lookAtFile(path, locked))),
  };
}

function lockFailed(cause: unknown): TouchlineError {
  return new TouchlineError(
    'update_lock_failed',
    `the update lock cannot be taken: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
}
