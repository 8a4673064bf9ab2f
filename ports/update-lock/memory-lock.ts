import type { LockHolder, UpdateLock } from './update-lock.ts';

/** A lock that lives in this process: each owner that shares it gets its own view. */
export function memoryUpdateLocks(): {
  of(owner: string): UpdateLock;
  /** Its owner dies without releasing: nobody holds it, and its mark stays. */
  crash(): void;
  readonly mark: LockHolder | undefined;
} {
  let mark: LockHolder | undefined;
  let alive = false;
  return {
    get mark() {
      return mark;
    },
    crash() {
      alive = false;
    },
    of(owner) {
      const isMine = (): boolean => alive && mark?.owner === owner;
      const lock: UpdateLock = {
        get held() {
          return isMine() ? mark : undefined;
        },
        take(reason) {
          if (alive && mark && !isMine()) return { kind: 'taken', by: mark };
          [mark, alive] = [{ owner, reason }, true];
          return { kind: 'held' };
        },
        release() {
          if (isMine()) [mark, alive] = [undefined, false];
        },
        adopt: (reason) => !alive && mark?.owner === owner && lock.take(reason).kind === 'held',
        left: () => (!alive && mark?.owner !== owner ? mark : undefined),
        others: () => (alive && !isMine() ? mark : undefined),
      };
      return lock;
    },
  };
}
