/** Everything random of one simulated run; the same seed gives the same numbers. */
export interface Chance {
  /** Evenly from 0 to 1, 1 excluded. */
  even(): number;
  normal(): number;
  /** Mean 1. */
  exponential(): number;
  /** Least 1, with a tail that falls as a power of the value. */
  pareto(power: number): number;
}

/** sfc32 (Doty-Humphrey, PractRand), stirred before its first number is used. */
export function chance(seed: number): Chance {
  let [a, b, c, d] = [seed | 0, (seed ^ 0x9e3779b9) | 0, 0x243f6a88, 1];
  const even = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return (t >>> 0) / 0x100000000;
  };
  for (let n = 0; n < 20; n++) even();
  // 1 - even() is never 0, of which there is no logarithm.
  const exponential = (): number => -Math.log(1 - even());
  return {
    even,
    exponential,
    normal: () => Math.sqrt(2 * exponential()) * Math.cos(2 * Math.PI * even()),
    pareto: (power) => (1 - even()) ** (-1 / power),
  };
}
