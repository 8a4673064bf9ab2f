/**
 * Order of two versions by Semantic Versioning 2.0.0, section 11: negative when `a` comes first, 0 when they are equal.
 * Both are of the form that `ReleaseVersion` takes.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  for (let n = 0; n < 3; n++) {
    const difference = (left.numbers[n] ?? 0) - (right.numbers[n] ?? 0);
    if (difference !== 0) return difference;
  }
  // A version comes after its own pre-releases.
  if (left.before.length === 0 || right.before.length === 0) return right.before.length - left.before.length;
  for (let n = 0; n < Math.max(left.before.length, right.before.length); n++) {
    const difference = comparePart(left.before[n], right.before[n]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function split(version: string): { numbers: number[]; before: string[] } {
  const dash = version.indexOf('-');
  return {
    numbers: (dash < 0 ? version : version.slice(0, dash)).split('.').map(Number),
    before: dash < 0 ? [] : version.slice(dash + 1).split('.'),
  };
}

/** Fewer parts come first, numbers before words, numbers by value, words by code point. */
function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aIsNumber && bIsNumber) return Number(a) - Number(b);
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}
