import type { ToneName } from '#contracts/signals.ts';

/** The tones, as a table. A beeper with a tone of its own plays the lengths alone. */

/** `hz` null: silence. */
export interface Note {
  readonly hz: number | null;
  readonly ms: number;
}

const note = (hz: number, ms: number): Note => ({ hz, ms });
const rest = (ms: number): Note => ({ hz: null, ms });

/** Small beepers are loudest between 2 and 4 kHz; up is a beginning, down an end. */
export const TONES: Readonly<Record<ToneName, readonly Note[]>> = {
  start: [note(2000, 120), rest(60), note(3000, 220)],
  stop: [note(3000, 350), rest(80), note(2000, 600)],
  'lock-view': [note(2700, 60), rest(60), note(2700, 60)],
  warning: [note(2300, 150)],
  fault: [note(2000, 150), rest(100), note(2000, 150), rest(100), note(2000, 150)],
};

/** Those that sound although the tones are switched off: nobody starts or ends a match unnoticed. */
export const NEVER_MUTED: readonly ToneName[] = ['start', 'stop'];

const EDGE_SEC = 0.004;
const LEVEL = 0.8;

/** Notes as samples between -1 and 1, with soft ends: hard ones click. */
export function noteSamples(notes: readonly Note[], rateHz: number): Float32Array {
  const parts = notes.map(({ hz, ms }) => {
    const count = Math.round((ms / 1000) * rateHz);
    return Float32Array.from({ length: count }, (_, n) => {
      if (hz === null) return 0;
      const edge = Math.min(1, n / rateHz / EDGE_SEC, (count - 1 - n) / rateHz / EDGE_SEC);
      return LEVEL * edge * Math.sin((2 * Math.PI * hz * n) / rateHz);
    });
  });
  const samples = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return samples;
}
