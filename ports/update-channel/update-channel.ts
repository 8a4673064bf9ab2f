import type { TouchlineError } from '#contracts/errors.ts';

/**
 * Where updates come from and how they are installed: the seam between the updater, which decides when, and the ways of doing it. A version is an
 * opaque name that people see; two are the same when they are equal. Failures are `update_source_unreachable` (the source or what installs does not
 * answer) and `update_failed` (it answered, and it went wrong; the reason is in the message); whatever is not offered is `no_update`. A
 * release that must not be taken is refused by the code of what is wrong with it.
 */
export interface UpdateChannel {
  readonly name: ChannelName;
  /**
   * What is known here, without asking the source: cheap, asked every few seconds. Only what a restart or a power cut has left open is ended first, which
   * takes as long as that does; throws `update_locked` while it cannot be.
   */
  state(signal: AbortSignal): Promise<ChannelState>;
  /** Asks the source whether there is something newer; what it says is in `state` afterwards. */
  check(signal: AbortSignal): Promise<void>;
  /** Resolves when the offered version is here, whole and verified. What was downloaded before is not fetched again. */
  download(version: string, signal: AbortSignal): Promise<void>;
  /**
   * Installs what was downloaded. The caller holds the update lock meanwhile. Resolves when it is under way and nothing here is needed for it; mostly
   * this process ends before or soon after. Throws `update_locked` when another lock stopped it.
   */
  apply(version: string, signal: AbortSignal): Promise<void>;
  /** The version that runs has passed its health check: what could be gone back to automatically need no longer be. */
  confirm(version: string, signal: AbortSignal): Promise<void>;
  /** Goes back to `previous`, as `apply` goes forward. Throws `rollback_impossible` with the way out. */
  rollback(signal: AbortSignal): Promise<void>;
}

export type ChannelName = 'balena' | 'releases';

export interface ChannelState {
  /** What runs now. */
  readonly current: string;
  /** What `rollback` would go back to; null when it cannot. */
  readonly previous: string | null;
  /** The newer version that is to be installed; null when there is none. */
  readonly offer: UpdateOffer | null;
  /** Whether it is being installed just now. */
  readonly applying: boolean;
  /** Versions that were gone back from here because they did not work. */
  readonly undone: readonly { readonly version: string; readonly reason: string }[];
  /** What the source offers and this machine must not take; null when there is nothing wrong with it. */
  readonly refused: RefusedOffer | null;
}

export interface RefusedOffer {
  /** As the source calls it. */
  readonly version: string;
  /** Its code, and what is wrong. */
  readonly reason: string;
  readonly error: TouchlineError;
}

export interface UpdateOffer {
  readonly version: string;
  /** Whole and verified on this machine. */
  readonly downloaded: boolean;
  /** 0 to 1 while it is being fetched; null when nothing is. */
  readonly progress: number | null;
}
