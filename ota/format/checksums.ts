import { TouchlineError } from '#contracts/errors.ts';

/** Two spaces: read as binary, which is the same everywhere but on Windows. */
const LINE = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._-]*)$/;

/** The lines of `SHA256SUMS`, in order of name. */
export function checksumText(files: readonly { readonly name: string; readonly sha256: string }[]): string {
  return files
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, sha256 }) => `${sha256}  ${name}\n`)
    .join('');
}

/** SHA-256 by file name. Throws `release_truncated` for a text that ends early, `checksum_wrong` for one that is none. */
export function readChecksums(text: string): Map<string, string> {
  if (!text.endsWith('\n'))
    throw new TouchlineError('release_truncated', 'the checksums of the release end in the middle of a line');
  const sums = new Map<string, string>();
  for (const line of text.slice(0, -1).split('\n')) {
    const [, sha256, name] = LINE.exec(line) ?? [];
    if (sha256 === undefined || name === undefined || sums.has(name))
      throw new TouchlineError(
        'checksum_wrong',
        `the checksums of the release have a line that is none: ${line}`,
      );
    sums.set(name, sha256);
  }
  return sums;
}
