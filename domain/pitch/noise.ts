/**
 * Value noise: a number per lattice point, drawn by an integer hash from its coordinates and a seed, and smoothly joined
 * between the points. The same place looks the same from every camera, and nothing repeats.
 */

/** A number from 0 to 1 that belongs to whole coordinates. The mixing steps are those of MurmurHash3's finalizer. */
export function hashOf(column: number, row: number, seed: number): number {
  let h = Math.imul(column, 0x27d4eb2d) ^ Math.imul(row, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 0x100000000;
}

/** Smooth noise from -1 to 1 whose features are about one unit wide. */
export function noiseAt(x: number, y: number, seed: number): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const across = smooth(x - column);
  const down = smooth(y - row);
  const above = mix(hashOf(column, row, seed), hashOf(column + 1, row, seed), across);
  const below = mix(hashOf(column, row + 1, seed), hashOf(column + 1, row + 1, seed), across);
  return 2 * mix(above, below, down) - 1;
}

export interface Octaves {
  /** Width of the finest and of the coarsest features, in the unit of the coordinates. */
  readonly finest: number;
  readonly coarsest: number;
  /** How much stronger each octave is than the one of half its width. */
  readonly growth: number;
  readonly seed: number;
}

/**
 * Noise of several widths, each twice the one before. What is finer than a pixel is left out, so that nothing flickers:
 * `footprint` is the width of a pixel in the unit of the coordinates. Another `variant` is other noise of the same kind.
 */
export function fractalAt(
  x: number,
  y: number,
  footprint: number,
  octaves: Octaves,
  variant: number,
): number {
  let total = 0;
  let weight = 1;
  let octave = 0;
  for (let width = octaves.finest; width <= octaves.coarsest; width *= 2) {
    // Seen whole when four pixels wide, not at all when two.
    const seen = Math.min(1, width / (2 * footprint) - 1);
    if (seen > 0) {
      const seed = octaves.seed + variant + octave;
      total += weight * seen * noiseAt(x / width + 17.3 * octave, y / width - 9.1 * octave, seed);
    }
    weight *= octaves.growth;
    octave++;
  }
  return total;
}

/** From 0 to 1 without a kink at either end. */
export function smooth(share: number): number {
  return share * share * (3 - 2 * share);
}

export function mix(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
