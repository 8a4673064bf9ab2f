/**
 * Lines of GPIO chips. A line is called by its name (`touchline-button`), or by the label of its chip and its number on it
 * (`pinctrl-rp1:17`); numbers of chips and of the whole system mean nothing, they change from boot to boot.
 */
export interface Gpio {
  /**
   * Takes lines to read. Each edge is told with its kernel's time. Rejects with `panel_failed`, naming the line, when there is none or
   * several of the name, or somebody else has it.
   */
  watch(lines: readonly string[], options: WatchOptions): Promise<WatchedLines>;
  /** Takes lines to drive, all inactive at first. Rejects like `watch`. Those of one chip change at once. */
  drive(lines: readonly string[], options: LineOptions): Promise<DrivenLines>;
}

export interface LineOptions {
  /** Active is low. */
  readonly activeLow: boolean;
}

export interface WatchOptions extends LineOptions {
  /** Edges in the order they happened; `line` is the index in the list. Times are monotonic microseconds. */
  readonly onEdge: (edge: { readonly line: number; readonly active: boolean; readonly atUs: number }) => void;
  /** The lines are gone, with their chip: nothing more will be told. `panel_failed`. */
  readonly onLost: (error: Error) => void;
}

export interface WatchedLines {
  /** Which are active now. Throws `panel_failed` when the chip is gone. */
  values(): boolean[];
  close(): Promise<void>;
}

export interface DrivenLines {
  /** Makes them active or not. Throws `panel_failed` when the chip is gone. */
  set(values: readonly boolean[]): void;
  /** Inactive, and free for others. */
  close(): Promise<void>;
}

/** `label:offset`, or a name. A name may hold a colon only where no number follows it. */
export function readLineName(text: string): { name: string } | { label: string; offset: number } {
  const [, label, offset] = /^(.+):(\d{1,3})$/.exec(text) ?? [];
  return label === undefined ? { name: text } : { label, offset: Number(offset) };
}
