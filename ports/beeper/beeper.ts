import type { Note } from '#domain/signals/tones.ts';

/** Something that beeps. */
export interface Beeper {
  /** Takes the device. Rejects with `panel_failed` (or `program_missing`), with a name and what to do, when there is none. */
  open(): Promise<void>;
  /** Plays notes one after the other and resolves when they have ended. Rejects when it cannot, or with the signal's reason; then it is silent. */
  play(notes: readonly Note[], signal?: AbortSignal): Promise<void>;
  /** Silent, and free for others. Safe when it was never opened. */
  close(): Promise<void>;
}
