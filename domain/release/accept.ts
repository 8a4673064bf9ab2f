import { TouchlineError } from '#contracts/errors.ts';
import { type Architecture, PRODUCT, type ReleaseFile, type ReleaseManifest } from '#contracts/release.ts';
import { fromWireTime } from '#contracts/time.ts';
import { compareVersions } from './version.ts';

/** What a node knows when a release is offered to it. */
export interface NodeSituation {
  readonly architecture: Architecture;
  /** Microseconds since 1970: the latest time the node can be sure of. */
  readonly nowUs: number;
  /** Version that runs. */
  readonly running: string;
  /** The highest counter of any release whose signature was right, and its version; undefined on a new node. */
  readonly highest: { readonly counter: number; readonly version: string } | undefined;
}

/**
 * The bundle that this node takes from a release whose signature is right already. Throws, in this order, `foreign_release`,
 * `release_older`, `release_expired`, `release_skips_version`.
 */
export function acceptRelease(manifest: ReleaseManifest, node: NodeSituation): ReleaseFile {
  const { version, counter, product } = manifest;
  if (product !== PRODUCT)
    throw new TouchlineError('foreign_release', `release ${version} is one of ${product}`, {
      field: 'product',
    });
  const bundle = manifest.files.find(({ architecture }) => architecture === node.architecture);
  if (bundle === undefined)
    throw new TouchlineError('foreign_release', `release ${version} has no bundle for ${node.architecture}`, {
      field: 'files',
    });
  refuseOlder(version, counter, node.highest);
  if (fromWireTime(manifest.expires_at) <= node.nowUs)
    throw new TouchlineError('release_expired', `release ${version} expired on ${manifest.expires_at}`, {
      field: 'expires_at',
    });
  if (compareVersions(node.running, manifest.minimum_version) < 0)
    throw new TouchlineError(
      'release_skips_version',
      `release ${version} needs at least ${manifest.minimum_version}, ${node.running} runs here`,
      { field: 'minimum_version' },
    );
  return bundle;
}

/** Whoever can replay an old release, rightly signed, must not bring back its faults. */
function refuseOlder(version: string, counter: number, highest: NodeSituation['highest']): void {
  if (highest === undefined || counter > highest.counter) return;
  if (counter === highest.counter && version === highest.version) return;
  throw new TouchlineError(
    'release_older',
    `release ${version} has counter ${counter}; ${highest.version} with counter ${highest.counter} was seen already`,
    { field: 'counter', details: { highest: highest.counter } },
  );
}
