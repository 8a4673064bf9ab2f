/** One normal distribution of several; the weights of all add up to 1. */
export interface Part {
  readonly weight: number;
  readonly mean: number;
  readonly sigma: number;
}

/** Halvings of the interval in which the width is looked for: a millionth of it is left. */
const HALVINGS = 20;

/** Probability that the value is between -`width` and `width`. */
export function within(parts: readonly Part[], width: number): number {
  return parts.reduce(
    (sum, { weight, mean, sigma }) =>
      sum + weight * (normalBelow((width - mean) / sigma) - normalBelow((-width - mean) / sigma)),
    0,
  );
}

/** The width for which the value is between -width and width with the probability `level`, 0.99 at most. */
export function halfWidthOf(parts: readonly Part[], level: number): number {
  const variance = parts.reduce((sum, { weight, mean, sigma }) => sum + weight * (mean ** 2 + sigma ** 2), 0);
  let low = 0;
  // Chebyshev: no distribution has more than a hundredth beyond ten times this.
  let high = 10 * Math.sqrt(variance);
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + high) / 2;
    if (within(parts, middle) < level) low = middle;
    else high = middle;
  }
  return high;
}

/** Distribution function of the normal distribution: Abramowitz and Stegun 26.2.17, wrong by less than 1e-7. */
function normalBelow(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (series * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
  return x > 0 ? 1 - tail : tail;
}
