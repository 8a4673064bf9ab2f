import type { ReleaseManifest } from '#contracts/release.ts';

/** A release that could be installed: signed, newer than what runs, for this machine. */
export interface Offer {
  readonly manifest: ReleaseManifest;
  /** Why it was undone when it was tried before; it is not to be tried again unless somebody asks. */
  readonly failedBefore: string | undefined;
}

/**
 * `waiting`: the update lock is held, what runs was left as it is. `handing_over`: switched and healthy; the updater's own unit restarts now, and
 * `settle` of the new one ends the trial. `interrupted`: a power cut came before the switch, nothing was changed.
 */
export type Applied =
  | { readonly outcome: 'applied' | 'handing_over'; readonly version: string; readonly previous: string }
  | { readonly outcome: 'waiting' | 'interrupted'; readonly version: string; readonly reason: string }
  | {
      readonly outcome: 'rolled_back';
      readonly version: string;
      readonly previous: string;
      readonly reason: string;
    };

/**
 * Asks the update lock right before the services are touched. Allowed, no recording can begin until `release` was called; that is done
 * whatever becomes of the update.
 */
export type MayApply = () => Promise<
  | { readonly allowed: true; release(): void | Promise<void> }
  | { readonly allowed: false; readonly reason: string }
>;

/** Waits until the node works with this version, or for as long as it may take. */
export type IsHealthy = (
  version: string,
  signal?: AbortSignal,
) => Promise<{ readonly healthy: true } | { readonly healthy: false; readonly reason: string }>;

export interface InstalledVersion {
  readonly version: string;
  readonly counter: number;
  readonly released_at: string;
  readonly current: boolean;
  /** Why it was undone, when it was. */
  readonly failed: string | undefined;
}
