import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';
import type { RigView } from '#contracts/http-node.ts';
import type { SessionUid } from '#contracts/ids.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { PanoramaResult } from '#contracts/panorama.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { DemoSystem } from './system.ts';
import { addresses } from './view.ts';
import { NotYet, waitFor } from './wait.ts';

export interface DemoRecording {
  readonly camera_id: string;
  readonly file: string;
  readonly manifest: string;
  readonly sha256: string;
  readonly duration_sec: number;
  readonly frames: number;
  readonly dropped_frames: number;
  readonly offloaded: boolean;
}

/** What `demo --once --json` prints. Paths are absolute, times in seconds unless the name says otherwise. */
export interface DemoResult {
  readonly session_id: string;
  readonly session_uid: string;
  readonly recordings: DemoRecording[];
  readonly panorama: {
    readonly file: string;
    readonly width: number;
    readonly height: number;
    readonly duration_sec: number;
    readonly calibrated: boolean;
    /** How well the calibration fits, pixels of the recordings; null when there is none. */
    readonly calibration_rms_px: number | null;
    /** Why there is none; null when there is. */
    readonly calibration_reason: string | null;
  };
  /** Spread of the first exposures at or after the agreed start; null when a camera could not tell. */
  readonly start_skew_ms: number | null;
  readonly timings: Record<string, number>;
}

const BOOT_TIMEOUT_MS = 90_000;
const MANIFEST_TIMEOUT_MS = 30_000;
const OFFLOAD_TIMEOUT_MS = 180_000;
/** Stitching may be slower than real time on a small machine. */
const PANORAMA_TIMEOUT_MS = 300_000;
const PANORAMA_TIMEOUT_PER_SEC_MS = 20_000;

/** Records `seconds` on the whole rig and follows the files until the panorama is there. The system is running. */
export async function recordOnce(
  system: DemoSystem,
  seconds: number,
  signal: AbortSignal,
  progress: (line: string) => void,
): Promise<DemoResult> {
  const timings: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const before = performance.now();
    const result = await work();
    timings[`${name}_sec`] = Math.round(performance.now() - before) / 1000;
    return result;
  };

  progress('starting three camera nodes and a central server …');
  await timed('boot', () => waitUntilReady(system, signal));
  for (const line of addresses(system.place)) progress(line);

  const start = await timed('start', () => system.master.start({}, signal));
  // Who is only slow to answer joins in; who refuses does not.
  const told = (camera: (typeof start.cameras)[number]): string =>
    `${camera.camera_id} (${camera.state}: ${camera.reason ?? 'no reason given'})`;
  const absent = start.cameras.filter(({ state }) => state !== 'ready' && state !== 'silent');
  if (absent.length > 0)
    throw new TouchlineError('not_ready', `recording without ${absent.map(told).join(', ')}`, {
      details: { cameras: start.cameras },
    });
  for (const camera of start.cameras.filter(({ state }) => state === 'silent'))
    progress(`${told(camera)}; it joins in when it can`);
  const { session_id, session_uid } = start;
  progress(`recording ${session_id} for ${seconds} s …`);
  const untilStartMs = fromWireTime(start.start_at) / 1000 - Date.now();
  await sleep(Math.max(0, untilStartMs) + seconds * 1000, undefined, { signal });

  await timed('stop', () => system.master.stop({ session_uid }, signal));
  progress('stopped; waiting for the manifests …');
  await timed('stop_to_manifest', () =>
    waitFor('the manifests of all cameras', MANIFEST_TIMEOUT_MS, signal, async () => {
      const found = await findRecordings(system, session_uid, signal);
      const missing = unfinished(system, found);
      return missing.length === 0 ? found : new NotYet(`no final manifest of ${missing.join(', ')}`);
    }),
  );
  progress('bringing the files home …');
  const recordings = await timed('offload', () =>
    waitFor('the recordings to be offloaded', OFFLOAD_TIMEOUT_MS, signal, async () => {
      const found = await findRecordings(system, session_uid, signal);
      const waiting = found.filter(({ manifest }) => !manifest.touchline.offloaded);
      return waiting.length === 0
        ? found
        : new NotYet(`not offloaded yet: ${waiting.map(({ manifest }) => manifest.file.name).join(', ')}`);
    }),
  );
  progress('stitching …');
  const panorama = await timed('panorama', () =>
    waitForPanorama(
      system,
      session_uid,
      PANORAMA_TIMEOUT_MS + seconds * PANORAMA_TIMEOUT_PER_SEC_MS,
      signal,
      progress,
    ),
  );
  return {
    session_id,
    session_uid,
    recordings: recordings.map(describe),
    panorama: {
      file: panorama.file,
      width: panorama.width,
      height: panorama.height,
      duration_sec: panorama.duration_sec,
      calibrated: panorama.calibrated,
      calibration_rms_px: panorama.calibration?.rms_px ?? null,
      calibration_reason: panorama.calibration_reason?.message ?? null,
    },
    start_skew_ms: startSkewMs(recordings.map(({ manifest }) => manifest)),
    timings,
  };
}

/** Ready: every node is seen by the master, idle, with camera and disk, and central has a worker. */
export async function waitUntilReady(system: DemoSystem, signal: AbortSignal): Promise<RigView> {
  return waitFor('three ready nodes and the central server', BOOT_TIMEOUT_MS, signal, async () => {
    const [view, health] = await Promise.all([system.master.rig(signal), system.central.health(signal)]);
    const reasons = notReady(
      view,
      system.place.nodes.map((node) => node.cameraId),
    );
    if (health.workers < 1) reasons.push('central has no worker');
    return reasons.length === 0 ? view : new NotYet(reasons.join('; '));
  });
}

/** Why the rig cannot record yet, camera by camera; empty when it can. */
export function notReady(view: RigView, cameras: readonly string[]): string[] {
  return cameras.flatMap((camera) => {
    const node = view.nodes.find((each) => each.camera_id === camera);
    const recorder = node?.status?.recorder;
    if (!node?.available) return [`${camera} is not seen`];
    if (!recorder) return [`${camera} has no recorder yet`];
    if (!node.status?.sync?.rig_time) return [`${camera} does not know the time of the rig yet`];
    if (recorder.state !== 'idle') return [`${camera} is ${recorder.state}`];
    if (!recorder.camera.present) return [`${camera}: camera: ${recorder.camera.reason}`];
    const gate = recorder.gates.find(({ level }) => level === 'hard');
    return gate === undefined ? [] : [`${camera}: ${gate.reason}`];
  });
}

interface FoundRecording {
  readonly storage: string;
  readonly manifestPath: string;
  readonly manifest: TouchlineManifest;
}

async function findRecordings(
  system: DemoSystem,
  uid: SessionUid,
  signal: AbortSignal,
): Promise<FoundRecording[]> {
  const lists = await Promise.all(
    system.place.nodes.map(async ({ cameraId, storage }) => {
      const list = await system.nodes.get(cameraId)?.recordings(signal);
      return (list?.recordings ?? []).flatMap(({ manifest_path, manifest }) => {
        const { touchline } = manifest;
        if (touchline?.session_uid !== uid) return [];
        return [{ storage, manifestPath: manifest_path, manifest: { ...manifest, touchline } }];
      });
    }),
  );
  return lists.flat();
}

function unfinished(system: DemoSystem, found: readonly FoundRecording[]): string[] {
  return system.place.nodes
    .map((node) => node.cameraId)
    .filter(
      (camera) =>
        !found.some(({ manifest }) => manifest.recording.camera_id === camera && manifest.touchline.final),
    );
}

async function waitForPanorama(
  system: DemoSystem,
  uid: SessionUid,
  timeoutMs: number,
  signal: AbortSignal,
  progress: (line: string) => void,
): Promise<PanoramaResult> {
  let shown = -1;
  return waitFor('the panorama', timeoutMs, signal, async () => {
    const { jobs } = await system.central.session(uid, signal);
    const job = jobs.find((each) => each.kind === 'panorama');
    if (job === undefined) return new NotYet('central has no panorama job for the session yet');
    if (job.state === 'failed' || job.state === 'cancelled')
      throw new TouchlineError(
        'job_failed',
        `the panorama ${job.state}: ${job.error?.message ?? job.log.at(-1)}`,
      );
    const percent = Math.floor(job.progress * 10) * 10;
    if (percent > shown) {
      shown = percent;
      const rest = job.remaining_sec === null ? '' : `, ${Math.ceil(job.remaining_sec)} s left`;
      progress(`panorama ${percent} %${rest}`);
    }
    if (job.state === 'done' && job.result !== null) return job.result;
    return new NotYet(`the job is ${job.state}, ${Math.round(job.progress * 100)} %`);
  });
}

function describe({ storage, manifestPath, manifest }: FoundRecording): DemoRecording {
  const { recording, file, checksum, video, quality, touchline } = manifest;
  const path = resolve(storage, manifestPath);
  // manifests/{folder}/{camera}/{name}: the video lies in the folder of the same name.
  const folder = path.split('/').at(-3) ?? recording.session_id;
  return {
    camera_id: recording.camera_id,
    file: resolve(storage, nodeLayout.video(folder, recording.camera_id, file.name)),
    manifest: path,
    sha256: checksum.value,
    duration_sec: video.duration_sec,
    frames: touchline.frames,
    dropped_frames: quality?.dropped_frames ?? 0,
    offloaded: touchline.offloaded,
  };
}

/** Largest minus smallest first exposure at or after the agreed start, over the cameras' first parts. */
export function startSkewMs(manifests: readonly TouchlineManifest[]): number | null {
  const skews = manifests
    .filter(({ touchline }) => touchline.part === 1)
    .map(({ touchline }) => touchline.start_skew_ms);
  const known = skews.filter((skew) => skew !== null);
  if (known.length === 0 || known.length < skews.length) return null;
  return Math.round((Math.max(...known) - Math.min(...known)) * 1000) / 1000;
}
