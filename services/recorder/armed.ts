import { TouchlineError } from '#contracts/errors.ts';
import type { Fragment } from '#domain/fmp4/fragments.ts';
import type { Camera, FrameSyncRole, Profile } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Pipeline, type PipelineListener, type PipelineOptions, runPipeline } from './pipeline.ts';
import type { AudioInput, SoundState } from './sound.ts';
import type { CameraRun } from './take.ts';

export interface ArmedOptions {
  readonly camera: Camera;
  readonly clock: Clock;
  readonly profile: Profile;
  /** The microphone that belongs to the pictures. */
  readonly microphone: AudioInput | undefined;
  /**
   * Only here: with it the first frame comes seconds late (rpicam-apps lets a hundred pass first), which a camera that is opened at
   * a start does not have.
   */
  readonly frameSync: FrameSyncRole | undefined;
  /** So much of what the camera showed is kept, microseconds. */
  readonly keepUs: number;
  /** Sees it too. */
  readonly preview: PipelineListener;
  readonly onFault: (error: TouchlineError) => void;
  /** It shows something (again). */
  readonly onShown: () => void;
  readonly onSound: (state: SoundState) => void;
}

/** A camera that runs before the start, so that a late press still has the kick-off. */
export interface ArmedCamera {
  /** Gives the camera to a take, with what was kept. From then on the take is the one who ends it. */
  handOver(): CameraRun;
  /** Ends it, unless it was handed over. */
  stop(): Promise<void>;
}

/** Between attempts to open a camera that fails. */
const RETRY_PAUSE_US = 1_000_000;

interface Run {
  readonly control: AbortController;
  readonly done: Promise<void>;
}

export function armCamera(options: ArmedOptions): ArmedCamera {
  const { camera, clock, profile, microphone, keepUs, preview, onFault } = options;
  let { frameSync } = options;
  const pipelineOf = (signal: AbortSignal): PipelineOptions => ({
    ...{ camera, clock, profile, cueMonoUs: clock.monoUs(), signal },
    ...(microphone ? { audio: microphone } : {}),
    ...(frameSync ? { frameSync } : {}),
  });
  const disarmed = new AbortController();
  let run: Run | undefined;
  let pipeline: Pipeline | undefined;
  let kept: Fragment[] = [];
  let taker: PipelineListener | undefined;
  let handedOver = false;

  /** Whole groups of pictures go, while enough is left without them. */
  const forget = (): void => {
    if (!pipeline) return;
    const end = kept.findLast((each) => each.times.length > 0)?.endTime ?? 0;
    const from = end - (keepUs * pipeline.initialisation.timescale) / 1e6;
    const begin = kept.findLastIndex((each) => each.keyframe && (each.times[0] ?? 0) <= from);
    if (begin > 0) kept.splice(0, begin);
  };

  const listener: PipelineListener = {
    opened(running) {
      pipeline = running;
      if (taker) return taker.opened(running);
      preview.opened(running);
      options.onShown();
    },
    fragment(fragment) {
      if (taker) return taker.fragment(fragment);
      preview.fragment(fragment);
      kept.push(fragment);
      forget();
    },
    sound: options.onSound,
    originUnknown: () => (taker ?? preview).originUnknown?.(),
  };

  const keepRunning = async (): Promise<void> => {
    while (!disarmed.signal.aborted && !handedOver) {
      const control = new AbortController();
      const onDisarmed = (): void => control.abort();
      disarmed.signal.addEventListener('abort', onDisarmed, { once: true });
      const done = runPipeline(pipelineOf(control.signal), listener);
      run = { control, done };
      try {
        await done;
      } catch (error) {
        // Frames that are not together are better than none.
        if (!pipeline) frameSync = undefined;
        // Once it was handed over, the take hears of it.
        if (!handedOver)
          onFault(
            error instanceof TouchlineError
              ? error
              : new TouchlineError('camera_failed', 'the camera failed', { cause: error }),
          );
      } finally {
        disarmed.signal.removeEventListener('abort', onDisarmed);
        run = undefined;
        pipeline = undefined;
        kept = [];
      }
      if (handedOver || disarmed.signal.aborted) return;
      await clock
        .sleepUntil(clock.monoUs() + RETRY_PAUSE_US, 'armed camera again', disarmed.signal)
        .catch((error: unknown) => {
          if (!disarmed.signal.aborted) throw error;
        });
    }
  };
  const running = keepRunning();

  return {
    handOver() {
      const current = run;
      if (!current || (pipeline === undefined && frameSync)) {
        // It shows nothing yet: nothing was kept, and the take gets a camera of its own, which waits for no other's beat.
        disarmed.abort();
        frameSync = undefined;
        return async (next, signal) => {
          await running;
          await runPipeline(pipelineOf(signal), next);
        };
      }
      handedOver = true;
      return async (next, signal) => {
        const end = (): void => current.control.abort();
        signal.addEventListener('abort', end, { once: true });
        if (signal.aborted) end();
        if (pipeline !== undefined) next.opened(pipeline);
        for (const fragment of kept.splice(0)) next.fragment(fragment);
        taker = next;
        try {
          await current.done;
        } finally {
          signal.removeEventListener('abort', end);
        }
      };
    },
    async stop() {
      if (handedOver) return;
      disarmed.abort();
      await running;
    },
  };
}
