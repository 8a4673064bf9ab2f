/** A round trip in two parts, microseconds. */
export interface DelayParts {
  /** Above the least round trip of late: this part waited in queues. */
  readonly excessUs: number;
  /** By how much the least one may itself be above what the way takes without queues. */
  readonly doubtUs: number;
}

export interface PathDelay {
  add(monoUs: number, roundTripUs: number): DelayParts;
}

/** The way can change for good, and then the least round trip of an hour ago says nothing. */
const SPELL_US = 60e6;
const SPELLS = 10;
/** So many of the least ones show how closely they lie together. */
const KEPT = 3;

/** Keeps the least round trips of the last ten minutes. */
export function createPathDelay(): PathDelay {
  let spells: readonly { readonly fromUs: number; readonly least: readonly number[] }[] = [];
  let least: readonly number[] = [];
  return {
    add(monoUs, roundTripUs) {
      const open = spells.at(-1);
      const before = spells;
      if (open === undefined || monoUs - open.fromUs >= SPELL_US)
        spells = [...spells.slice(1 - SPELLS), { fromUs: monoUs, least: [roundTripUs] }];
      else if (open.least.length < KEPT || roundTripUs < (open.least.at(-1) ?? 0))
        spells = [
          ...spells.slice(0, -1),
          { fromUs: open.fromUs, least: lowest([...open.least, roundTripUs]) },
        ];
      if (spells !== before) least = lowest(spells.flatMap((spell) => spell.least));
      const [first = roundTripUs] = least;
      return {
        excessUs: roundTripUs - first,
        doubtUs: least.length < KEPT ? first : (least[KEPT - 1] ?? first) - first,
      };
    },
  };
}

function lowest(values: readonly number[]): readonly number[] {
  return values.toSorted((a, b) => a - b).slice(0, KEPT);
}
