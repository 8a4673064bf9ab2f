import type { Tone } from './tone.ts';

/** A state in one or two words; shape and colour both carry the weight. */
export function Pill({ tone, text }: { tone: Tone; text: string }) {
  return (
    <span class="pill" data-tone={tone}>
      {text}
    </span>
  );
}
