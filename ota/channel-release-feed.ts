import { type ErrorCode, TouchlineError } from '#contracts/errors.ts';
import { compareVersions } from '#domain/release/version.ts';
import type { RefusedOffer, UpdateChannel } from '#ports/update-channel/update-channel.ts';
import type { UpdateLock } from '#ports/update-lock/update-lock.ts';
import { createReleaseChannel, type ReleaseChannelParts } from './channel-releases/channel.ts';
import type { Applied, MayApply } from './channel-releases/outcomes.ts';

/** A release that is refused so stays refused until another one is offered. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'signature_wrong',
  'checksum_wrong',
  'release_truncated',
  'foreign_release',
  'release_older',
  'release_expired',
  'release_skips_version',
]);

export interface ReleaseFeedParts extends Omit<ReleaseChannelParts, 'mayApply'> {
  /** That of the updater: held by it during `apply` and `rollback`, taken here to end what was left open. */
  readonly lock: UpdateLock;
}

/** Updates from a feed of signed releases. The version that runs is told as such once it has proved itself, not when it is switched to. */
export function releaseFeedChannel({ lock, ...parts }: ReleaseFeedParts): UpdateChannel {
  let tag: string | undefined;
  const channel = createReleaseChannel({
    ...parts,
    mayApply: async () => permission(lock),
    feed: {
      ...parts.feed,
      async latest(signal) {
        const release = await parts.feed.latest(signal);
        tag = release?.tag_name;
        return release;
      },
    },
  });
  let settled = false;
  let offer: { version: string; downloaded: boolean } | null = null;
  let progress: number | null = null;
  let refused: RefusedOffer | null = null;
  /** What ran when the change began that is under way, until it has ended or the updater was restarted for it. */
  let changingFrom: string | undefined;

  /** Tells failures in the words of the port; what must not be taken is kept. */
  const told = async <T>(work: () => Promise<T>, version: () => string | undefined): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TouchlineError)) throw error;
      const { code, message } = error;
      if (code === 'feed_unreachable')
        throw new TouchlineError('update_source_unreachable', message, { cause: error });
      if (REFUSALS.has(code)) {
        refused = { version: version() ?? 'a release', reason: `${code}: ${message}`, error };
        offer = null;
      }
      throw error;
    }
  };

  /** Undefined also when it was overtaken by what was seen since. */
  const stagedVersion = async (): Promise<string | undefined> => {
    try {
      return (await channel.staged())?.manifest.version;
    } catch (error) {
      if (error instanceof TouchlineError && REFUSALS.has(error.code)) return undefined;
      throw error;
    }
  };

  const running = async () => {
    const installed = await channel.installed();
    const current = installed.find((each) => each.current)?.version;
    if (current === undefined)
      throw new TouchlineError('not_found', `no release runs from ${parts.root}/current`, {
        remedy: 'Install one with the install.sh that lies in its bundle; updates go on from there.',
      });
    const older = installed.filter(
      ({ version, failed }) => failed === undefined && compareVersions(version, current) < 0,
    );
    return { installed, current, previous: older[0]?.version ?? null };
  };

  const settle = async (signal: AbortSignal): Promise<void> => {
    const came = await channel.settle(signal);
    if (came?.outcome === 'waiting')
      throw new TouchlineError('update_locked', `${came.version} stays on trial: ${came.reason}`, {
        remedy: 'It goes on by itself when the lock is free.',
      });
    settled = true;
    const version = await stagedVersion();
    if (version !== undefined) offer ??= { version, downloaded: true };
  };

  const change = async (work: () => Promise<Applied>): Promise<void> => {
    changingFrom = (await running()).current;
    let came: Applied | undefined;
    try {
      came = await work();
    } finally {
      // After a handover the updater that is started now ends the trial, and tells.
      if (came?.outcome !== 'handing_over') {
        changingFrom = undefined;
        settled = false;
      }
    }
    if (came.outcome === 'waiting') throw new TouchlineError('update_locked', came.reason);
    offer = null;
  };

  return {
    name: 'releases',
    async state(signal) {
      if (changingFrom === undefined && !settled) await settle(signal);
      const { installed, current, previous } = await running();
      return {
        current: changingFrom ?? current,
        previous,
        offer: offer && { ...offer, progress },
        applying: changingFrom !== undefined,
        undone: installed.flatMap(({ version, failed: reason }) =>
          reason === undefined ? [] : [{ version, reason }],
        ),
        refused,
      };
    },
    async check(signal) {
      const found = await told(
        () => channel.check(signal),
        () => tag?.replace(/^v(?=\d)/, ''),
      );
      refused = null;
      const version = found?.manifest.version;
      offer = version === undefined ? null : { version, downloaded: version === (await stagedVersion()) };
    },
    async download(version, signal) {
      try {
        const staged = await told(
          () =>
            channel.stage(signal, (doneBytes, totalBytes) => {
              progress = Math.min(1, doneBytes / totalBytes);
            }),
          () => version,
        );
        offer = staged ? { version: staged.manifest.version, downloaded: true } : null;
      } finally {
        progress = null;
      }
    },
    apply: (version, signal) =>
      told(
        async () => {
          const staged = (await channel.staged())?.manifest.version;
          if (staged !== version)
            throw new TouchlineError(
              'no_update',
              `${version} is not what is downloaded: ${staged ?? 'nothing'}`,
            );
          await change(() => channel.apply(signal));
        },
        () => version,
      ),
    // It has proved itself before it was told as the one that runs.
    confirm: async () => undefined,
    async rollback(signal) {
      const { previous } = await running();
      if (previous === null)
        throw new TouchlineError('rollback_impossible', 'no older version is installed that worked here');
      await change(() => channel.switchTo(previous, signal));
    },
  };
}

/** The updater's own lock where it holds it already; taken for what is left to be done at start. */
function permission(lock: UpdateLock): Awaited<ReturnType<MayApply>> {
  if (lock.held) return { allowed: true, release: () => undefined };
  const outcome = lock.take('an update is on trial');
  if (outcome.kind === 'held') return { allowed: true, release: () => lock.release() };
  return {
    allowed: false,
    reason: outcome.kind === 'taken' ? outcome.by.reason : outcome.error.message,
  };
}
