import { z } from 'zod';
import { Sha256 } from './ids.ts';
import { WireTime } from './time.ts';

/** What a release says about itself, and the part of GitHub's REST by which releases are offered. */

export const PRODUCT = 'touchline';

/** `1.4.0` or `1.4.0-rc.1` (Semantic Versioning 2.0.0 without build metadata); also a folder on the node. */
export const ReleaseVersion = z
  .string()
  .max(64)
  .regex(
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$/,
    'must be a version such as 1.4.0 or 1.4.0-rc.1',
  )
  .describe('Version (semantic versioning)');

/** As Debian names them. */
export const Architecture = z.enum(['arm64', 'amd64']).describe('Processor that a bundle is for');
export type Architecture = z.infer<typeof Architecture>;

/** A plain file name: never a path. */
const AssetName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be a plain file name')
  .describe('Name of the file');

export const ReleaseFile = z.object({
  name: AssetName,
  architecture: Architecture.optional().describe('Of a bundle; other files have none'),
  sha256: Sha256,
  size_bytes: z.int().min(1),
  unpacked_bytes: z.int().min(1).optional().describe('Of a bundle: what its files come to'),
});
export type ReleaseFile = z.infer<typeof ReleaseFile>;

/** `manifest.json` of a release. It counts only together with the signed checksums that name it. */
export const ReleaseManifest = z
  .object({
    format: z.literal(1),
    product: z.string().min(1).max(64).describe('`touchline`; anything else is refused'),
    version: ReleaseVersion,
    counter: z
      .int()
      .min(1)
      .describe('Grows with every release; a node never takes one below the highest it has seen'),
    released_at: WireTime,
    expires_at: WireTime.describe('Not installed from then on; what is installed runs on'),
    minimum_version: ReleaseVersion.describe('An older node has to take a release between first'),
    files: z.array(ReleaseFile).min(1).describe('All files of the release but the checksums'),
  })
  .describe('Description of a release');
export type ReleaseManifest = z.infer<typeof ReleaseManifest>;

/** `release.json` inside a bundle: what is installed in the folder it lies in. */
export const InstalledRelease = z
  .object({
    format: z.literal(1),
    product: z.string(),
    version: ReleaseVersion,
    counter: z.int().min(1),
    architecture: Architecture,
    released_at: WireTime,
  })
  .describe('What is installed in a folder');
export type InstalledRelease = z.infer<typeof InstalledRelease>;

/** What is read of a release in GitHub's REST, version 2022-11-28; everything else is dropped. */
export const FeedRelease = z.object({
  tag_name: z.string(),
  draft: z.boolean().default(false),
  prerelease: z.boolean().default(false),
  assets: z.array(z.object({ name: z.string(), size: z.int().min(0), browser_download_url: z.url() })),
});
export type FeedRelease = z.infer<typeof FeedRelease>;

/** Below the address of a repository: `https://api.github.com/repos/{owner}/{repo}`, or that of `./touchline release serve`. */
export const feedPaths = {
  latest: '/releases/latest',
  list: '/releases',
  byTag: (tag: string) => `/releases/tags/${tag}`,
} as const;

/** Routes of `./touchline release serve`. */
export const feedRoutes = {
  latest: `/repos/:owner/:repo${feedPaths.latest}`,
  list: `/repos/:owner/:repo${feedPaths.list}`,
  byTag: `/repos/:owner/:repo${feedPaths.byTag(':tag')}`,
  asset: '/:owner/:repo/releases/download/:tag/:name',
} as const;
