import type { Architecture } from '#contracts/release.ts';

/** Files of a release beside its bundles. */
export const MANIFEST_FILE = 'manifest.json';
/** SHA-256 of every other file, as `sha256sum --check` reads it; all trust hangs on the signatures of this one. */
export const CHECKSUM_FILE = 'SHA256SUMS';
export const SIGNATURE_FILE = 'SHA256SUMS.sig';
export const BILL_OF_MATERIALS_FILE = 'bill-of-materials.cdx.json';
export const LICENCE_FILE = 'licences.txt';

/** In the folder of an unpacked bundle. */
export const INSTALLED_FILE = 'release.json';

export function bundleName(version: string, architecture: Architecture): string {
  return `touchline-${version}-linux-${architecture}.tar.gz`;
}
