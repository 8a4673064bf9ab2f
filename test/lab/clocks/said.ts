/** What the host sends to all guests at once. */
export interface Tick {
  readonly tick: number;
  /** Seconds by which a node is to set its wall clock, now. */
  readonly steps?: Readonly<Record<string, number>>;
}

/** What a node says at a tick. */
export interface Told {
  readonly tick: number;
  /** The rig's time when the tick arrived, microseconds; null while it is unknown. */
  readonly rig_us: number | null;
  /** Its own wall clock then. */
  readonly wall_us: number;
  readonly source: string;
  readonly bound_ms: number | null;
  readonly ci95_ms: number | null;
  /** Steps of its wall clock that it noticed so far. */
  readonly steps: number;
  /** State of its chronyd. */
  readonly chrony: string;
}

export function toldIn(line: string): Told | undefined {
  const match = /^LAB-SAY (\{"tick".*\})$/.exec(line);
  return match?.[1] === undefined ? undefined : (JSON.parse(match[1]) as Told);
}
