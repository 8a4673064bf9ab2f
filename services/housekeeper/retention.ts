import type { DeleteOffloadedResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { HousekeeperState } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import { decideRetention, type KeptBecause, type RecordingOnDisk } from '#domain/retention/retention.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Logger } from '#runtime/logger.ts';
import { type ManifestOnDisk, readManifest, readManifests } from '#runtime/manifests.ts';

export interface RetentionDeps {
  readonly config: NodeConfig;
  readonly disk: Disk;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Why nothing may be deleted now; undefined when it may. Asked again before each recording. */
  readonly refusal: () => TouchlineError | undefined;
  /** Whether something of its session is recorded or brought home now. */
  readonly underWay: (manifest: TouchlineManifest) => boolean;
  readonly deleted: (manifest: TouchlineManifest, freedBytes: number) => void;
  /** A file that is not what its manifest says; once in a run of the service. */
  readonly doubtful: (manifest: TouchlineManifest, error: TouchlineError) => void;
}

/** Deletes what is offloaded, and nothing else. */
export interface Retention {
  /** What the disk needs; or, `asked` by somebody, all that may go. Throws the refusal. Never two at once. */
  run(options: { asked: boolean }): Promise<Omit<DeleteOffloadedResult, 'camera_id'>>;
  state(): NonNullable<HousekeeperState['retention']>;
}

type Doubtful = NonNullable<HousekeeperState['retention']>['doubtful'][number];

interface Found extends RecordingOnDisk, ManifestOnDisk {
  readonly videoPath: string;
}

const REASONS: Record<KeptBecause, string> = {
  session_under_way: 'its session is still being recorded or brought home',
  size_differs: 'the file is not as long as its manifest says',
  earlier_part_kept: 'an earlier part of the same recording stays',
};
const CHANGED = 'it changed while it was looked at';

export function createRetention(deps: RetentionDeps): Retention {
  const { config, disk, log, signal, refusal, underWay } = deps;
  const total = { deleted: 0, freed_bytes: 0 };
  /** By path of the manifest. */
  let doubtful = new Map<string, Doubtful>();
  const told = new Set<string>();

  /** Every recording that has a manifest. */
  const look = async (): Promise<Found[]> => {
    const { manifests } = await readManifests(disk);
    const files = new Map((await disk.list(nodeLayout.recordings)).map((file) => [file.path, file]));
    return manifests.map(({ manifest, manifestPath }) => {
      const { recording, file, timing, touchline } = manifest;
      const folder = manifestPath.split('/')[1] ?? '';
      const videoPath = nodeLayout.video(folder, recording.camera_id, file.name);
      return {
        manifest,
        manifestPath,
        videoPath,
        sessionUid: touchline.session_uid,
        cameraId: recording.camera_id,
        part: touchline.part,
        final: touchline.final,
        offloaded: touchline.offloaded,
        // A journal is there until recovery has finished the file.
        underWay: underWay(manifest) || files.has(nodeLayout.journal(folder, recording.camera_id, file.name)),
        recordedAtUs: fromWireTime(timing.start_time),
        statedBytes: file.size_bytes,
        presentBytes: files.get(videoPath)?.sizeBytes,
      };
    });
  };

  /** Whether it is still what was decided on: offloaded, with the bytes that were confirmed. */
  const isUnchanged = async ({
    manifest,
    manifestPath,
    videoPath,
    presentBytes,
  }: Found): Promise<boolean> => {
    const latest = await readManifest(disk, manifestPath);
    const folder = videoPath.slice(0, videoPath.lastIndexOf('/'));
    const file = (await disk.list(folder)).find(({ path }) => path === videoPath);
    return (
      latest?.touchline.offloaded === true &&
      latest.touchline.session_uid === manifest.touchline.session_uid &&
      latest.checksum.value === manifest.checksum.value &&
      file?.sizeBytes === presentBytes &&
      !underWay(latest)
    );
  };

  /**
   * The video first and the manifest last: after a power cut in between, a manifest without its video says what is left to do.
   * The other way round there would be a video that nothing describes.
   */
  const remove = async (found: Found): Promise<void> => {
    const { manifest, manifestPath, videoPath, presentBytes = 0 } = found;
    const besides = await filesBeside(found);
    await disk.remove(videoPath);
    for (const path of besides) await disk.remove(path);
    await disk.remove(manifestPath);
    doubtful.delete(manifestPath);
    total.deleted++;
    total.freed_bytes += presentBytes;
    const { recording, touchline } = manifest;
    log.info(
      { session: recording.session_id, part: touchline.part, freed_bytes: presentBytes },
      'deleted: it is offloaded',
    );
    deps.deleted(manifest, presentBytes);
  };

  /**
   * What lies beside the manifest and belongs to this recording alone: files named after it, and with the last manifest of the folder the moments
   * of its session.
   */
  const filesBeside = async ({ manifestPath, manifest }: Found): Promise<string[]> => {
    const folder = manifestPath.slice(0, manifestPath.lastIndexOf('/'));
    const stem = manifestPath.slice(0, -'json'.length);
    const paths = (await disk.list(folder)).map(({ path }) => path);
    const isLast = paths.every((path) => path === manifestPath || !path.endsWith('.json'));
    const marks = nodeLayout.marks(manifestPath.split('/')[1] ?? '', manifest.recording.camera_id);
    return paths.filter(
      (path) =>
        (isLast && path === marks) ||
        // Those of further parts begin like those of the first.
        (path !== manifestPath && path.startsWith(stem) && !/^p\d+\./.test(path.slice(stem.length))),
    );
  };

  const tell = ({ manifest, manifestPath, videoPath, presentBytes }: Found): void => {
    const { recording, touchline, file } = manifest;
    const { session_uid, part } = touchline;
    const reason = `${videoPath} has ${presentBytes} bytes, its manifest says ${file.size_bytes}; it is kept although it counts as offloaded`;
    doubtful.set(manifestPath, { session_uid, session_id: recording.session_id, part, reason });
    if (told.has(reason)) return;
    told.add(reason);
    deps.doubtful(manifest, new TouchlineError('disk_failed', reason));
  };

  return {
    state: () => ({ ...total, doubtful: [...doubtful.values()] }),
    async run({ asked }) {
      const mayNot = refusal();
      if (mayNot) throw mayNot;
      const plan = decideRetention(await look(), await disk.space(), {
        warnPercent: config.recording.free_warn_percent,
        everything: asked || config.offload.delete_after_confirm,
      });
      doubtful = new Map();
      for (const { recording, because } of plan.kept) if (because === 'size_differs') tell(recording);
      const kept = plan.kept.map(({ recording, because }) => ({ recording, reason: REASONS[because] }));
      const before = { ...total };
      /** Sessions of which nothing more is deleted now. */
      const left = new Set<string>();
      for (const recording of plan.remove) {
        signal.throwIfAborted();
        const reason =
          refusal()?.message ??
          (left.has(recording.sessionUid) || !(await isUnchanged(recording)) ? CHANGED : undefined);
        if (reason === undefined) {
          await remove(recording);
          continue;
        }
        left.add(recording.sessionUid);
        kept.push({ recording, reason });
        log.warn({ manifest: recording.manifestPath }, `not deleted: ${reason}`);
      }
      return {
        deleted: total.deleted - before.deleted,
        freed_bytes: total.freed_bytes - before.freed_bytes,
        kept: kept.map(({ recording: { manifest }, reason }) => ({
          session_uid: manifest.touchline.session_uid,
          session_id: manifest.recording.session_id,
          part: manifest.touchline.part,
          reason,
        })),
      };
    },
  };
}
