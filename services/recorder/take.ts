import { TouchlineError } from '#contracts/errors.ts';
import type { SessionId, SessionUid } from '#contracts/ids.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { ActiveRecording } from '#contracts/session.ts';
import { toWireTime } from '#contracts/time.ts';
import type { TallyGap } from '#domain/recording/tally.ts';
import type { Camera, Profile } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { asDiskError } from './disk-error.ts';
import {
  type ChosenProfile,
  createPart,
  type FinishedPart,
  type PartOptions,
  type PartRecorder,
} from './part.ts';
import { type PipelineListener, runPipeline } from './pipeline.ts';
import { findPlace, type Place } from './place.ts';
import type { AudioInput, SoundState } from './sound.ts';

/** Pauses between attempts while a session runs: at once first, then slower, never giving up before the stop. */
const RETRY_PAUSES_MS = [0, 200, 500, 1000];
const UNUSED: PipelineListener = { opened: () => undefined, fragment: () => undefined };
/** How long a stop waits for frames of before the stop instant. */
const STOP_PATIENCE_US = 3_000_000;

export interface TakeOptions
  extends Pick<
    PartOptions,
    | 'queueLimitBytes'
    | 'syncIntervalMs'
    | 'rig'
    | 'version'
    | 'hostname'
    | 'runId'
    | 'profile'
    | 'audio'
    | 'lockView'
    | 'preRollUs'
    | 'beepAt'
  > {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly camera: Camera;
  /** The microphone that belongs to the pictures. */
  readonly microphone: AudioInput | undefined;
  readonly onSound: (state: SoundState) => void;
  /** A camera that runs already, with what it kept; the first file begins with it. */
  readonly armed?: CameraRun;
  readonly identity: Omit<PartOptions['identity'], 'part'>;
  readonly overriddenGates: readonly Gate[];
  /** Sees what the camera delivers, after the file has it. */
  readonly preview: PipelineListener;
  readonly onFault: (error: TouchlineError) => void;
  readonly onGap: (gap: TallyGap) => void;
  readonly onPart: (part: FinishedPart) => void;
  /** The first frame of a file is on its way to the disk; called for each part. */
  readonly onRecording: () => void;
}

/** Delivers what a camera shows until `signal` aborts (resolves) or the camera fails (rejects). */
export type CameraRun = (listener: PipelineListener, signal: AbortSignal) => Promise<void>;

/** One session on this node: from `prepare` to its last manifest, through as many parts as it takes. */
export interface Take {
  readonly sessionUid: SessionUid;
  readonly sessionId: SessionId;
  readonly committed: boolean;
  /** The agreed start: monotonic here, and in master time as the rig wrote it. */
  commit(monoUs: number, masterUs: number): void;
  /** `final`: nothing of this camera is still to come; not so when only the service stops. */
  stop(monoUs: number, final?: boolean): void;
  readonly stopping: boolean;
  readonly profile: ChosenProfile;
  /** Of the session on the disk, once there is a file. */
  readonly folder: string | undefined;
  /** Ends the file at hand; the next one is recorded like this. */
  switchTo(profile: Profile, reason: string): void;
  progress(): ActiveRecording | null;
  readonly restarts: { readonly encoder: number; readonly disk: number };
  /** Settles when all files are finished. Rejects only on a defect. */
  readonly done: Promise<void>;
}

export function startTake(options: TakeOptions): Take {
  const { clock, camera, disk, identity } = options;
  const ending = new AbortController();
  const committed = Promise.withResolvers<void>();
  let start: { monoUs: number; masterUs: number } | undefined;
  let stopMonoUs: number | undefined;
  let current: PartRecorder | undefined;
  let currentPart = 0;
  let folder: string | undefined;
  let gapReason = 'the recorder was started again';
  let chosen = options.profile;
  let armed = options.armed;
  /** Ends the part at hand, not the take. */
  let endPart: (() => void) | undefined;
  const restarts = { encoder: 0, disk: 0 };
  let final = false;

  const opened: CameraRun = (listener, signal) => {
    const { microphone } = options;
    return runPipeline(
      {
        camera,
        clock,
        profile: chosen.profile,
        cueMonoUs: start?.monoUs ?? clock.monoUs(),
        signal,
        ...(microphone ? { audio: microphone } : {}),
      },
      listener,
    );
  };

  /** Runs one part: until the stop, or until camera or disk fail. Returns whether a file came of it. */
  const runPart = async (place: Place): Promise<boolean> => {
    const failures: TouchlineError[] = [];
    let switched: string | undefined;
    let wasRecording = false;
    const part = createPart({
      ...options,
      folder: place.folder,
      identity: { ...identity, part: place.part },
      profile: chosen,
      source: camera.source,
      gapReason,
      encoderRestarts: restarts.encoder,
      diskErrors: restarts.disk,
      onDiskFault: (error) => {
        if (!failures.includes(error)) failures.push(error);
        options.onFault(error);
      },
    });
    current = part;
    currentPart = place.part;
    folder = place.folder;
    if (start) part.start(start.monoUs, start.masterUs);
    if (stopMonoUs !== undefined) part.stop(stopMonoUs);

    const closing = new AbortController();
    const onEnding = (): void => closing.abort();
    endPart = () => {
      switched = chosen.reason ?? 'recorded differently from here on';
      closing.abort();
    };
    ending.signal.addEventListener('abort', onEnding, { once: true });
    if (ending.signal.aborted) closing.abort();
    let outcome: FinishedPart | undefined;
    let diskFailed = false;
    const finish = async (): Promise<void> => {
      outcome = await part.finish(final).catch((error: unknown) => {
        // The file is on the disk with its journal: recovery writes the manifest that could not be written now.
        options.onFault(asDiskError(error));
        return undefined;
      });
      if (outcome) options.onPart(outcome);
    };
    // The manifest does not wait for the camera to close.
    const finished = Promise.race([part.complete, aborted(closing.signal)]).then(async (diskError) => {
      diskFailed = diskError !== undefined;
      closing.abort();
      await finish();
    });
    try {
      const runs = armed ?? opened;
      armed = undefined;
      await runs(
        {
          opened: (pipeline) => {
            part.opened(pipeline);
            options.preview.opened(pipeline);
          },
          fragment: (fragment) => {
            part.fragment(fragment);
            options.preview.fragment(fragment);
            if (!wasRecording && part.progress) {
              wasRecording = true;
              options.onRecording();
            }
          },
          sound: options.onSound,
          originUnknown: () => options.preview.originUnknown?.(),
        },
        closing.signal,
      );
    } catch (error) {
      if (!closing.signal.aborted) {
        restarts.encoder++;
        options.onFault(
          error instanceof TouchlineError
            ? error
            : new TouchlineError('camera_failed', 'the camera failed', { cause: error }),
        );
      }
    } finally {
      closing.abort();
      ending.signal.removeEventListener('abort', onEnding);
    }
    await finished;
    if (diskFailed) restarts.disk++;
    endPart = undefined;
    gapReason = switched ?? (diskFailed ? 'the disk failed' : 'the camera failed');
    return outcome !== undefined;
  };

  const run = async (): Promise<void> => {
    if (!camera.live) await Promise.race([committed.promise, aborted(ending.signal)]);
    for (let attempt = 0; !ending.signal.aborted; ) {
      const place = await findPlace(disk, identity.sessionId, identity.sessionUid, identity.cameraId).catch(
        (error: unknown) => {
          options.onFault(asDiskError(error));
          return undefined;
        },
      );
      const recorded = place !== undefined && (await runPart(place));
      if (stopMonoUs !== undefined) break;
      attempt = recorded ? 0 : attempt + 1;
      const pauseMs = RETRY_PAUSES_MS[Math.min(attempt, RETRY_PAUSES_MS.length - 1)] ?? 0;
      await clock
        .sleepUntil(clock.monoUs() + pauseMs * 1000, 'next attempt to record', ending.signal)
        .catch(ignoreAbort(ending.signal));
    }
    current = undefined;
    // A camera that was handed over and never used has nobody else to end it.
    await armed?.(UNUSED, AbortSignal.abort());
  };
  const done = run();

  return {
    sessionUid: identity.sessionUid,
    sessionId: identity.sessionId,
    get committed() {
      return start !== undefined;
    },
    get stopping() {
      return stopMonoUs !== undefined;
    },
    get profile() {
      return chosen;
    },
    get folder() {
      return folder;
    },
    switchTo(profile, reason) {
      chosen = { ...chosen, profile, reason };
      endPart?.();
    },
    commit(monoUs, masterUs) {
      start = { monoUs, masterUs };
      current?.start(monoUs, masterUs);
      committed.resolve();
    },
    stop(monoUs, isFinal = true) {
      if (stopMonoUs !== undefined) return;
      stopMonoUs = monoUs;
      final = isFinal;
      current?.stop(monoUs);
      // Frames of before the stop may still be on their way; those that never come are not waited for.
      clock
        .sleepUntil(
          start === undefined ? clock.monoUs() : monoUs + STOP_PATIENCE_US,
          'last frames',
          ending.signal,
        )
        .then(() => ending.abort(), ignoreAbort(ending.signal));
      done.finally(() => ending.abort()).catch(() => undefined);
    },
    progress() {
      const now = current?.progress;
      if (!now || !start) return null;
      const durationSec = now.durationUs / 1e6;
      return {
        session_uid: identity.sessionUid,
        session_id: identity.sessionId,
        part: currentPart,
        file: now.path,
        start_at: toWireTime(start.masterUs),
        duration_sec: durationSec,
        frames: now.frames,
        dropped_frames: now.droppedFrames,
        size_bytes: now.sizeBytes,
        fps: durationSec > 0 ? now.frames / durationSec : 0,
        bitrate_mbps: durationSec > 0 ? (now.sizeBytes * 8) / durationSec / 1e6 : 0,
      };
    },
    restarts,
    done,
  };
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

function ignoreAbort(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
