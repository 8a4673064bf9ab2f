import type { ToneName } from '#contracts/signals.ts';
import type { Trouble } from './trouble.ts';

/** When a trouble is heard: once when it comes, again only where the configuration asks for it. */

/** What is over so soon is shown and not heard. */
const SETTLED_AFTER_US = 2_000_000;
/** A trouble that was gone for less than this has not come anew: what flaps must not chirp. */
const FORGOTTEN_AFTER_US = 60_000_000;

interface Memory {
  readonly sinceUs: number;
  readonly seenUs: number;
  /** Undefined until it has sounded. */
  readonly soundedUs: number | undefined;
}

/** By the key of a trouble. */
export type Heard = Readonly<Record<string, Memory>>;

export interface DegradedRule {
  /** 0: never again. */
  readonly repeatSec: number;
  /** A tone would be in the film. */
  readonly recordingSound: boolean;
}

/** The tone that is due now, if any, and what to remember. Of several at once the worst sounds, once. */
export function degradedTone(
  heard: Heard,
  troubles: readonly Trouble[],
  nowUs: number,
  { repeatSec, recordingSound }: DegradedRule,
): { readonly heard: Heard; readonly tone: ToneName | undefined } {
  const next: Record<string, Memory> = {};
  for (const [key, memory] of Object.entries(heard)) {
    const there = troubles.some((trouble) => trouble.key === key);
    const kept = there || (memory.soundedUs !== undefined && nowUs - memory.seenUs < FORGOTTEN_AFTER_US);
    if (kept) next[key] = memory;
  }
  const due: Trouble[] = [];
  for (const trouble of troubles) {
    const { sinceUs, soundedUs } = next[trouble.key] ?? { sinceUs: nowUs, soundedUs: undefined };
    const sounds =
      soundedUs === undefined
        ? nowUs - sinceUs >= SETTLED_AFTER_US
        : repeatSec > 0 && !recordingSound && nowUs - soundedUs >= repeatSec * 1e6;
    if (sounds) due.push(trouble);
    next[trouble.key] = { sinceUs, seenUs: nowUs, soundedUs: sounds ? nowUs : soundedUs };
  }
  const worst = due.find(({ level }) => level === 'fault') ?? due[0];
  return { heard: next, tone: worst?.level };
}
