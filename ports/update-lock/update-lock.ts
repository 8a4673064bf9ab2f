import type { TouchlineError } from '#contracts/errors.ts';

/** Who keeps updates from being applied, and why, in words for people. */
export interface LockHolder {
  readonly owner: string;
  readonly reason: string;
}

export type LockOutcome =
  | { readonly kind: 'held' }
  /** Somebody else has it: an update is being applied, or (for the updater) something is recorded. */
  | { readonly kind: 'taken'; readonly by: LockHolder }
  /** Locking itself does not work here: `update_lock_failed`. Nothing is held. */
  | { readonly kind: 'failed'; readonly error: TouchlineError };

/**
 * The lock between recording and updating. Every call is synchronous: when `take` has returned `held`, no update can begin until `release`. It ends
 * with its process in so far as nobody who asks properly (by flock) finds it held; a file that stays behind is what `adopt` is for.
 */
export interface UpdateLock {
  /** What this process holds it for. */
  readonly held: LockHolder | undefined;
  /** Takes it, or tells the new reason where it is held already. What a dead process left is taken over. */
  take(reason: string): LockOutcome;
  /** Does nothing when it is not held. */
  release(): void;
  /** Takes over what a dead process of the same owner left, if there is such: whether it did. Never throws. */
  adopt(reason: string): boolean;
  /** Who else holds it now. */
  others(): LockHolder | undefined;
  /** What a dead process of another owner left: it may come back and go on. */
  left(): LockHolder | undefined;
}
