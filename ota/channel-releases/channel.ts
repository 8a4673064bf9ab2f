import type { KeyObject } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Architecture, FeedRelease, ReleaseManifest } from '#contracts/release.ts';
import { fromWireTime } from '#contracts/time.ts';
import { acceptRelease, type NodeSituation } from '#domain/release/accept.ts';
import { compareVersions } from '#domain/release/version.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { replaceText } from '#ports/install-disk/install-disk.ts';
import { CHECKSUM_FILE, MANIFEST_FILE, SIGNATURE_FILE } from '../format/names.ts';
import { type ReleasePapers, verifyRelease } from '../format/verify-release.ts';
import { download } from './download.ts';
import type { ReleaseFeed } from './feed.ts';
import type { Applied, InstalledVersion, Offer } from './outcomes.ts';
import { currentVersion, placesBelow, textOf } from './places.ts';
import { installedIn, readRecord, writeRecord } from './record.ts';
import { createSwitching, type SwitchingParts } from './switching.ts';
import { removeUnfinished, setAside, unpack } from './unpack.ts';

export interface ReleaseChannelParts extends Omit<SwitchingParts, 'places' | 'clock'> {
  readonly clock: Clock;
  readonly feed: ReleaseFeed;
  /** Public keys whose signatures are taken, one at least. */
  readonly trusted: readonly KeyObject[];
  readonly architecture: Architecture;
  /** `/opt/touchline`: see `Places`. */
  readonly root: string;
  /** Versions that stay on the disk, those that run and ran before among them. */
  readonly keepVersions?: number;
}

const KEEP_VERSIONS = 3;

/** New versions from a feed of signed releases. One call at a time; each can be repeated after whatever ended it. */
export interface ReleaseChannel {
  /**
   * The newest release when it is not the one that runs. Throws `signature_wrong`, `checksum_wrong`, `release_truncated`, `foreign_release`,
   * `release_older`, `release_expired`, `release_skips_version`, `feed_unreachable`.
   */
  check(signal?: AbortSignal): Promise<Offer | undefined>;
  /** Downloads what `check` would offer. Allowed while a recording runs. Throws the same, `disk_full`, `disk_failed`. */
  stage(
    signal?: AbortSignal,
    progress?: (doneBytes: number, totalBytes: number) => void,
  ): Promise<Offer | undefined>;
  /** What was downloaded whole and waits to be applied; verified again. */
  staged(): Promise<Offer | undefined>;
  /** Unpacks what is staged, switches to it, and goes back when the node does not get healthy. Throws `not_found`. */
  apply(signal?: AbortSignal): Promise<Applied>;
  /**
   * To be called at start, and again while it answers `waiting`: ends what a restart or a power cut has left open; undefined when there was
   * nothing.
   */
  settle(signal?: AbortSignal): Promise<Applied | undefined>;
  /** Switches to another version that is still installed, older ones included. Throws `not_found`, `conflict`. */
  switchTo(version: string, signal?: AbortSignal): Promise<Applied>;
  /** What is installed, the newest first. */
  installed(): Promise<InstalledVersion[]>;
}

export function createReleaseChannel(parts: ReleaseChannelParts): ReleaseChannel {
  const { disk, feed, trusted, architecture } = parts;
  const places = placesBelow(parts.root);
  const switching = createSwitching({ ...parts, places });
  if (trusted.length === 0)
    throw new TouchlineError('configuration_invalid', 'there is no public key to check releases with', {
      remedy: 'Give the line that `./touchline release keygen` printed for the key of whoever makes them.',
    });

  const versionsOnDisk = async (): Promise<InstalledVersion[]> => {
    const current = await currentVersion(places);
    const { failed } = await readRecord(places);
    const found: InstalledVersion[] = [];
    for (const name of await namesIn(places.releases)) {
      const whole = name.startsWith('.') ? undefined : await installedIn(places, name);
      if (whole !== undefined)
        found.push({
          version: whole.version,
          counter: whole.counter,
          released_at: whole.released_at,
          current: whole.version === current,
          failed: failed.find(({ version }) => version === whole.version)?.reason,
        });
    }
    return found.sort((a, b) => compareVersions(b.version, a.version));
  };

  const running = async (): Promise<InstalledVersion> => {
    const found = (await versionsOnDisk()).find(({ current }) => current);
    if (found === undefined)
      throw new TouchlineError('not_found', `no release runs from ${places.current}`, {
        remedy: 'Install one with the install.sh that lies in its bundle; updates go on from there.',
      });
    return found;
  };

  const situation = async (): Promise<NodeSituation> => {
    const own = await running();
    const { highest } = await readRecord(places);
    return {
      architecture,
      // A clock that was lost with the power is behind: it is later than the release that runs, in any case.
      nowUs: Math.max(parts.clock.wallUs(), fromWireTime(own.released_at)),
      running: own.version,
      // A version gone back from is above the one that runs, and stays the mark.
      highest: highest !== null && highest.counter >= own.counter ? highest : own,
    };
  };

  const offerOf = async (papers: ReleasePapers): Promise<Offer | undefined> => {
    const manifest = verifyRelease(papers, trusted);
    const node = await situation();
    acceptRelease(manifest, node);
    const record = await readRecord(places);
    if ((record.highest?.counter ?? 0) < manifest.counter)
      await writeRecord(disk, places, {
        ...record,
        highest: { counter: manifest.counter, version: manifest.version },
      });
    if (manifest.version === node.running) return undefined;
    return {
      manifest,
      failedBefore: record.failed.find(({ version }) => version === manifest.version)?.reason,
    };
  };

  const papersOf = async (release: FeedRelease, signal?: AbortSignal): Promise<ReleasePapers> => {
    if (!release.assets.some(({ name }) => name === SIGNATURE_FILE))
      throw new TouchlineError('signature_wrong', `release ${release.tag_name} is not signed`);
    return {
      checksums: await feed.text(release, CHECKSUM_FILE, signal),
      signatures: await feed.text(release, SIGNATURE_FILE, signal),
      manifest: await feed.text(release, MANIFEST_FILE, signal),
    };
  };

  const stagedPapers = async (): Promise<ReleasePapers | undefined> => {
    const [checksums, signatures, manifest] = await Promise.all(
      [CHECKSUM_FILE, SIGNATURE_FILE, MANIFEST_FILE].map((name) => textOf(join(places.staging, name))),
    );
    if (checksums === undefined || signatures === undefined || manifest === undefined) return undefined;
    return { checksums, signatures, manifest };
  };

  const bundleOf = async (manifest: ReleaseManifest) => acceptRelease(manifest, await situation());

  const emptyStaging = async (keep: readonly string[] = []): Promise<void> => {
    for (const name of await namesIn(places.staging))
      if (!keep.includes(name)) await disk.remove(join(places.staging, name));
  };

  const prune = async (alsoKeep: string): Promise<void> => {
    const found = await versionsOnDisk();
    const kept = found.filter(({ current, version }) => current || version === alsoKeep);
    // What failed goes first, then the oldest.
    const others = found.filter((each) => !kept.includes(each) && each.failed === undefined);
    kept.push(...others.slice(0, Math.max(0, (parts.keepVersions ?? KEEP_VERSIONS) - kept.length)));
    for (const each of found) if (!kept.includes(each)) await setAside(disk, places, each.version);
  };

  /** What was staged was taken, or is not to be taken again; what is not kept makes room. */
  const tidied = async (applied: Applied): Promise<Applied> => {
    if (applied.outcome === 'applied' || applied.outcome === 'rolled_back') await emptyStaging();
    if (applied.outcome === 'applied') await prune(applied.previous);
    return applied;
  };

  const staged = async (): Promise<Offer | undefined> => {
    const papers = await stagedPapers();
    return papers === undefined ? undefined : offerOf(papers);
  };

  return {
    installed: versionsOnDisk,
    staged,

    async check(signal) {
      const release = await feed.latest(signal);
      return release === undefined ? undefined : offerOf(await papersOf(release, signal));
    },

    async stage(signal, progress) {
      const release = await feed.latest(signal);
      if (release === undefined) return undefined;
      const papers = await papersOf(release, signal);
      const offer = await offerOf(papers);
      if (offer === undefined) return undefined;
      const file = await bundleOf(offer.manifest);
      await disk.makeFolder(places.staging);
      await emptyStaging([file.name, `${file.name}.part`]);
      const path = join(places.staging, file.name);
      await download({ feed, release, file, path, disk, clock: parts.clock, signal, progress });
      // The bundle first: papers that are there say that all of it is.
      await replaceText(disk, places.staging, CHECKSUM_FILE, papers.checksums);
      await replaceText(disk, places.staging, SIGNATURE_FILE, papers.signatures);
      await replaceText(disk, places.staging, MANIFEST_FILE, papers.manifest);
      return offer;
    },

    async apply(signal) {
      const offer = await staged();
      if (offer === undefined) throw new TouchlineError('not_found', 'no newer release is staged');
      const { manifest } = offer;
      const { version: previous } = await running();
      const permission = await parts.mayApply();
      // Unpacking is left until nothing records, too: it writes as fast as the disk can.
      if (!permission.allowed)
        return { outcome: 'waiting', version: manifest.version, reason: permission.reason };
      try {
        const file = await bundleOf(manifest);
        await disk.makeFolder(places.releases);
        await unpack(disk, places, { path: join(places.staging, file.name), file, manifest });
      } finally {
        await permission.release();
      }
      return tidied(await switching.tryVersion(manifest.version, previous, signal));
    },

    async settle(signal) {
      const settled = await switching.settleTrial(signal);
      await removeUnfinished(disk, places, await namesIn(places.releases));
      return settled === undefined ? undefined : tidied(settled);
    },

    async switchTo(version, signal) {
      const { version: previous } = await running();
      if (version === previous)
        throw new TouchlineError('conflict', `${version} runs already`, { field: 'version' });
      if (!(await versionsOnDisk()).some((each) => each.version === version))
        throw new TouchlineError('not_found', `${version} is not installed here`, {
          field: 'version',
          remedy: 'Choose one of the installed versions, or offer the release in the feed.',
        });
      return switching.tryVersion(version, previous, signal);
    },
  };
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}
