/** Lines of a node in a machine of the wifi or the discovery lab. */
export interface Said {
  readonly network?: {
    readonly mode: string;
    readonly reason: string;
    readonly ssid: string | null;
    readonly addresses: readonly string[];
    readonly peers: readonly string[];
    /** Hardware ids. */
    readonly conflicts: readonly string[];
    readonly warnings: readonly string[];
  };
  readonly recorder?: {
    readonly state: string;
    readonly session_uid: string | null;
    readonly start_at: string | null;
    readonly part: number;
    readonly frames: number;
    readonly dropped: number;
  };
  readonly knows_time?: boolean;
  /** Cameras whose nodes are online, as this one sees it. */
  readonly there?: readonly string[];
  readonly did?: string;
  readonly result?: unknown;
  readonly error?: string;
}
