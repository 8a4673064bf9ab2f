/** One quantity over all rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** Median, least and greatest, to four significant digits. Throws when there is nothing. */
export function spread(values: readonly number[]): Spread {
  return {
    median: rounded(percentile(values, 50)),
    min: rounded(Math.min(...values)),
    max: rounded(Math.max(...values)),
    rounds: values.length,
  };
}

/** The value that `percent` of the values do not exceed, between two values by interpolation. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = ((sorted.length - 1) * percent) / 100;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) throw new Error('there is nothing to take a percentile of');
  return low + (high - low) * (at - Math.floor(at));
}

/** Ours to the peer, round by round: what loads the machine for a while then weighs on both. */
export function ratios(ours: readonly number[], peer: readonly number[]): Spread {
  if (ours.length !== peer.length) throw new Error('ours and the peer ran a different number of rounds');
  return spread(ours.map((value, round) => value / (peer[round] ?? Number.NaN)));
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
