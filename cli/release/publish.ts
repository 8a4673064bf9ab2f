import { createHash, type KeyObject } from 'node:crypto';
import {
  createReadStream,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { type Architecture, PRODUCT, type ReleaseFile, ReleaseManifest } from '#contracts/release.ts';
import { toWireTime } from '#contracts/time.ts';
import { writeArchive } from '#ota/format/archive.ts';
import { checksumText } from '#ota/format/checksums.ts';
import {
  bundleName,
  CHECKSUM_FILE,
  INSTALLED_FILE,
  MANIFEST_FILE,
  SIGNATURE_FILE,
} from '#ota/format/names.ts';
import { signatureText } from '#ota/format/signing.ts';

export interface ReleaseFacts {
  readonly version: string;
  readonly counter: number;
  /** Seconds since 1970; also the time of every file in the bundles. */
  readonly releasedAtSec: number;
  readonly expiresAtSec: number;
  readonly minimumVersion: string;
}

/** What goes into a bundle: a folder whose files are taken as they lie. */
export interface BundleFolder {
  readonly architecture: Architecture;
  readonly folder: string;
}

/**
 * Writes a release into `out`, the signature last: bundles, documents, manifest, checksums. The same folders and facts give the same
 * bytes. Returns its files as they are now, with checksums. Throws `conflict` when `out` holds something else already.
 */
export async function publishRelease(
  out: string,
  facts: ReleaseFacts,
  parts: {
    readonly bundles: readonly BundleFolder[];
    readonly documents: readonly { readonly name: string; readonly text: string }[];
    readonly keys: readonly KeyObject[];
  },
): Promise<ReleaseFile[]> {
  mkdirSync(out, { recursive: true });
  const files: ReleaseFile[] = [];
  for (const { architecture, folder } of parts.bundles) {
    const name = bundleName(facts.version, architecture);
    markInstalled(folder, facts, architecture);
    const inside = globSync('**/*', { cwd: folder }).filter((path) => statSync(join(folder, path)).isFile());
    const unpackedBytes = inside.reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);
    await writeArchive(join(out, name), folder, inside, facts.releasedAtSec);
    files.push({ ...(await described(out, name)), architecture, unpacked_bytes: unpackedBytes });
  }
  for (const { name, text } of parts.documents) {
    writeFileSync(join(out, name), text);
    files.push(await described(out, name));
  }
  writeFileSync(join(out, MANIFEST_FILE), `${JSON.stringify(manifestOf(facts, files), null, 2)}\n`);
  files.push(await described(out, MANIFEST_FILE));
  const checksums = checksumText(files);
  writeFileSync(join(out, CHECKSUM_FILE), checksums);
  if (parts.keys.length > 0) {
    // Whoever serves the folder offers nothing before it is whole.
    writeFileSync(join(out, `${SIGNATURE_FILE}.new`), signatureText(checksums, parts.keys));
    renameSync(join(out, `${SIGNATURE_FILE}.new`), join(out, SIGNATURE_FILE));
  }
  return files;
}

function manifestOf(facts: ReleaseFacts, files: readonly ReleaseFile[]): ReleaseManifest {
  const parsed = ReleaseManifest.safeParse({
    format: 1,
    product: PRODUCT,
    version: facts.version,
    counter: facts.counter,
    released_at: toWireTime(facts.releasedAtSec * 1e6),
    expires_at: toWireTime(facts.expiresAtSec * 1e6),
    minimum_version: facts.minimumVersion,
    files,
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new TouchlineError('invalid_field', `${issue?.path.join('.')}: ${issue?.message}`, {
    field: issue?.path.join('.'),
  });
}

/** Says inside the bundle what it is: what is installed is known without the papers. */
function markInstalled(folder: string, facts: ReleaseFacts, architecture: Architecture): void {
  const { version, counter } = facts;
  const installed = {
    format: 1,
    product: PRODUCT,
    version,
    counter,
    architecture,
    released_at: toWireTime(facts.releasedAtSec * 1e6),
  };
  writeFileSync(join(folder, INSTALLED_FILE), `${JSON.stringify(installed, null, 2)}\n`);
}

async function described(out: string, name: string): Promise<ReleaseFile> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(out, name), { highWaterMark: 1_048_576 }))
    hash.update(chunk);
  return { name, sha256: hash.digest('hex'), size_bytes: statSync(join(out, name)).size };
}

/** Throws `conflict` when the folder holds anything but an earlier release: it would be published along with this one. */
export function refuseOtherFiles(out: string): void {
  const strange = globSync('*', { cwd: out }).find((name) => !OWN_FILE.test(name));
  if (strange !== undefined)
    throw new TouchlineError('conflict', `${out} holds ${strange}, which is no file of a release`, {
      field: '--out',
      remedy: 'Give a folder that is empty or not there yet.',
    });
}

const OWN_FILE =
  /^(touchline-.*\.tar\.gz|manifest\.json|SHA256SUMS(\.sig)?|bill-of-materials\.cdx\.json|licences\.txt)$/;

/** The manifest in a folder of release files; undefined when there is none. */
export function publishedIn(folder: string): ReleaseManifest | undefined {
  try {
    return ReleaseManifest.parse(JSON.parse(readFileSync(join(folder, MANIFEST_FILE), 'utf8')));
  } catch {
    return undefined;
  }
}
