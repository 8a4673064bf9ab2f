import { createHash, type KeyObject } from 'node:crypto';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { ReleaseManifest } from '#contracts/release.ts';
import { readChecksums } from './checksums.ts';
import { MANIFEST_FILE } from './names.ts';
import { verifySignature } from './signing.ts';

export interface ReleasePapers {
  readonly checksums: string;
  readonly signatures: string;
  readonly manifest: string;
}

/**
 * The manifest, once a trusted key has signed the checksums, they name this very manifest, and it names the files as they do. Nothing of a
 * release is read before that. Throws `signature_wrong`, `checksum_wrong`, `release_truncated`, `foreign_release`.
 */
export function verifyRelease(papers: ReleasePapers, trusted: readonly KeyObject[]): ReleaseManifest {
  verifySignature(papers.checksums, papers.signatures, trusted);
  const sums = readChecksums(papers.checksums);
  const own = sums.get(MANIFEST_FILE);
  if (own === undefined)
    throw new TouchlineError(
      'release_truncated',
      `the checksums of the release do not name ${MANIFEST_FILE}`,
    );
  if (createHash('sha256').update(papers.manifest).digest('hex') !== own)
    throw new TouchlineError('checksum_wrong', `${MANIFEST_FILE} is not the one that was signed`);
  const manifest = readManifest(papers.manifest);
  for (const { name, sha256 } of manifest.files)
    if (sums.get(name) !== sha256)
      throw new TouchlineError('checksum_wrong', `${name}: manifest and checksums disagree`, {
        field: 'files',
      });
  return manifest;
}

/** Signed and yet not to be read: of a later format, or not a release of ours at all. */
function readManifest(text: string): ReleaseManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TouchlineError('foreign_release', `${MANIFEST_FILE} is not JSON`, { cause });
  }
  return parseOrThrow(ReleaseManifest, value, 'foreign_release', MANIFEST_FILE);
}
