import { isDeepStrictEqual } from 'node:util';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { OffloadItem } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { pauseBefore, worthRetrying } from '#domain/retry/upload-retry.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Logger } from '#runtime/logger.ts';
import { readManifest, readManifests, writeManifest } from '#runtime/manifests.ts';
import { hashOf } from './recovery.ts';
import { confirm, upload } from './upload.ts';

export interface OffloadDeps {
  readonly config: NodeConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Alone among those who write manifests. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly changed: () => void;
  readonly finished: (manifest: TouchlineManifest) => void;
  readonly failed: (manifest: TouchlineManifest, error: TouchlineError) => void;
}

/** Brings recordings home, one at a time. What waits is read from the manifests on the disk: there is no second list to lose. */
export interface Offload {
  /**
   * Queues what is not offloaded; of one session when `sessionUid` is given. Returns how many wait. What central refused for
   * good is queued again only when somebody asks for it (`onDemand`).
   */
  enqueue(options: { sessionUid?: string | undefined; onDemand: boolean }): Promise<number>;
  items(): OffloadItem[];
  /** Resolves when nothing is being sent. */
  idle(): Promise<void>;
}

interface Waiting {
  readonly path: string;
  readonly manifest: TouchlineManifest;
  item: OffloadItem;
}

export function createOffload(deps: OffloadDeps): Offload {
  const { config, disk, clock, log, signal, changed } = deps;
  const entries = new Map<string, Waiting>();
  let running: Promise<void> | undefined;

  const update = (entry: Waiting, change: Partial<OffloadItem>): void => {
    entry.item = { ...entry.item, ...change };
    changed();
  };

  const serverUrl = (): string => {
    const url = config.offload.server_url;
    if (url === undefined)
      throw new TouchlineError(
        'configuration_invalid',
        'offload.server_url is not set: there is nowhere to bring recordings',
        { field: 'offload.server_url' },
      );
    return url;
  };

  /** Says so in the manifest that was sent. Undefined when there is another one by now: that is queued, for central does not know it. */
  const markOffloaded = async ({ path, manifest: sent }: Waiting): Promise<TouchlineManifest | undefined> => {
    const latest = await readManifest(disk, path);
    if (!latest)
      throw new TouchlineError('conflict', `the manifest ${path} went away while its file was being sent`);
    if (!saysTheSame(latest, sent)) {
      log.info({ manifest: path }, 'the manifest changed while its file was being sent: sent again');
      entries.set(path, { path, manifest: latest, item: firstItem(latest) });
      changed();
      return undefined;
    }
    const done = {
      ...latest,
      touchline: { ...latest.touchline, offloaded: true, offloaded_at: toWireTime(clock.wallUs()) },
    };
    await writeManifest(disk, { manifest: done, manifestPath: path });
    return done;
  };

  /** One attempt: send, ask what arrived, and only then say so in the manifest. */
  const bringHome = async (entry: Waiting): Promise<void> => {
    const { manifest, path } = entry;
    const { session_uid } = manifest.touchline;
    const folder = path.split('/')[1] ?? '';
    const { session_id, camera_id } = manifest.recording;
    const videoPath = nodeLayout.video(folder, camera_id, manifest.file.name);
    const timelineName = nodeLayout.timelineName(session_id, camera_id, manifest.touchline.part);
    const timelinePath = `${nodeLayout.manifestFolder(folder, camera_id)}/${timelineName}`;
    if (config.offload.verify_checksum) {
      const sha256 = await hashOf(disk, videoPath);
      if (sha256 !== manifest.checksum.value)
        throw new TouchlineError(
          'disk_failed',
          `${videoPath} no longer has the SHA-256 of its manifest; it is kept and not sent`,
          {
            details: { expected: manifest.checksum.value, found: sha256 },
          },
        );
    }
    update(entry, { state: 'uploading', sent_bytes: 0, error: null });
    const limit = config.offload.bandwidth_limit_mbps;
    let shownBytes = 0;
    const stored = await upload({
      serverUrl: serverUrl(),
      manifest,
      timeline: await readText(disk, timelinePath),
      marks: wholeLines(await readText(disk, nodeLayout.marks(folder, camera_id))),
      content: disk.read(videoPath),
      bytesPerSecond: limit === undefined ? undefined : (limit * 1e6) / 8,
      onSent: (bytes) => {
        if (bytes - shownBytes < manifest.file.size_bytes / 50 && bytes < manifest.file.size_bytes) return;
        shownBytes = bytes;
        update(entry, { sent_bytes: bytes });
      },
      signal,
    });
    update(entry, { state: 'confirming' });
    const held = await confirm(serverUrl(), manifest, stored.session_uid, signal);
    if (held.checksum_sha256 !== manifest.checksum.value)
      throw new TouchlineError('checksum_mismatch', 'central holds other bytes than this node', {
        details: { expected: manifest.checksum.value, found: held.checksum_sha256 },
      });
    const done = await deps.inTurn(() => markOffloaded(entry));
    if (!done) return;
    update(entry, { state: 'offloaded', sent_bytes: manifest.file.size_bytes, error: null });
    log.info(
      { session: manifest.recording.session_id, session_uid, part: manifest.touchline.part },
      'offloaded',
    );
    deps.finished(done);
  };

  const tryAll = async (entry: Waiting): Promise<void> => {
    const policy = { attempts: config.offload.retry_count, firstPauseSec: config.offload.retry_delay_sec };
    for (let attempt = 1; ; attempt++) {
      const pauseSec = pauseBefore(attempt, policy, Math.random()) ?? 0;
      await clock.sleepUntil(clock.monoUs() + pauseSec * 1e6, 'next upload attempt', signal);
      // Meanwhile its manifest changed, and the new one was queued in its place.
      if (entries.get(entry.path) !== entry) return;
      update(entry, { attempt });
      try {
        return await bringHome(entry);
      } catch (caught) {
        signal.throwIfAborted();
        const error =
          caught instanceof TouchlineError
            ? caught
            : new TouchlineError('internal', 'offload failed', { cause: caught });
        log.warn({ err: error, attempt, file: entry.manifest.file.name }, error.message);
        const again = attempt < policy.attempts && worthRetrying(error.code);
        update(entry, { state: again ? 'waiting' : 'failed', error: error.toWire() });
        if (again) continue;
        deps.failed(entry.manifest, error);
        return;
      }
    }
  };

  const work = async (): Promise<void> => {
    for (;;) {
      const entry = [...entries.values()].find(({ item }) => item.state === 'waiting');
      if (!entry || signal.aborted) return;
      await tryAll(entry).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  };

  return {
    async enqueue({ sessionUid, onDemand }) {
      const { manifests, unreadable } = await readManifests(disk);
      for (const { error } of unreadable) log.error({ err: error }, error.message);
      for (const { manifest, manifestPath: path } of manifests) {
        if (manifest.touchline.offloaded) continue;
        if (sessionUid !== undefined && manifest.touchline.session_uid !== sessionUid) continue;
        const known = entries.get(path);
        if (known && saysTheSame(known.manifest, manifest) && !again(known.item, onDemand)) continue;
        entries.set(path, { path, manifest, item: firstItem(manifest) });
      }
      changed();
      running ??= work().finally(() => {
        running = undefined;
      });
      running.catch((error: unknown) => log.fatal({ err: error }, 'offload ended by a defect'));
      return [...entries.values()].filter(({ item }) => item.state === 'waiting').length;
    },
    items: () => [...entries.values()].map(({ item }) => item),
    idle: async () => {
      await running?.catch(() => undefined);
    },
  };
}

/** Without a last line that a power cut tore; undefined when there is none. */
function wholeLines(text: string | undefined): string | undefined {
  return text?.slice(0, text.lastIndexOf('\n') + 1) || undefined;
}

/** Whether two manifests differ at most in what is known of the way home. */
function saysTheSame(one: TouchlineManifest, other: TouchlineManifest): boolean {
  const plain = (manifest: TouchlineManifest): TouchlineManifest => ({
    ...manifest,
    touchline: { ...manifest.touchline, offloaded: false, offloaded_at: null },
  });
  return isDeepStrictEqual(plain(one), plain(other));
}

/** Whether something that was in the queue before may go there once more. */
function again({ state, error }: OffloadItem, onDemand: boolean): boolean {
  if (state === 'offloaded') return true;
  return state === 'failed' && (onDemand || error === null || worthRetrying(error.code));
}

function firstItem(manifest: TouchlineManifest): OffloadItem {
  return {
    session_uid: manifest.touchline.session_uid,
    session_id: manifest.recording.session_id,
    part: manifest.touchline.part,
    size_bytes: manifest.file.size_bytes,
    sent_bytes: 0,
    state: 'waiting',
    attempt: 0,
    error: null,
  };
}
