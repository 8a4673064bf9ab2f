/**
 * The Supervisor of balenaOS on this machine. Failures are `update_source_unreachable` (it does not answer, or not in time) and `update_failed` (it
 * answered with an error). It never says what a release is called that is yet to come.
 */
export interface Supervisor {
  state(signal: AbortSignal): Promise<SupervisorState>;
  /** Asks it to look for a release, and to apply one that waits; it goes by the update lock, always. */
  update(signal: AbortSignal): Promise<void>;
}

export interface SupervisorState {
  /** Commit of the release that runs. */
  readonly commit: string;
  readonly applying: boolean;
  /** The release that is to come; null when there is none. */
  readonly pending: {
    /** Its number, where it could be told. */
    readonly release: number | null;
    readonly downloaded: boolean;
    /** 0 to 1; null when nothing is being downloaded. */
    readonly progress: number | null;
  } | null;
}
