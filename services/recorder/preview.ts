import { TouchlineError } from '#contracts/errors.ts';
import type { Fragment } from '#domain/fmp4/fragments.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Logger } from '#runtime/logger.ts';
import { type Pipeline, type PipelineListener, runPipeline } from './pipeline.ts';
import { decodePicture } from './preview-picture.ts';

/** A picture of the camera, small enough for a page. */
export interface Picture {
  readonly jpeg: Buffer;
  /** When it was exposed, by the local wall clock: microseconds since 1970. */
  readonly capturedUs: number;
}

/** A picture as large as the camera delivers it. */
export interface Still extends Picture {
  readonly width: number;
  readonly height: number;
}

/**
 * Pictures of what the camera sees, without ever being in the way of a recording: while one runs they come from the newest key
 * frame that passes by, in memory; otherwise the camera is opened for them, and given up at once when it is needed.
 */
export interface Preview {
  /** The camera as takes are to open it: a preview that has it lets go first. */
  readonly camera: Camera;
  /** What a take's pipeline delivers, shown to the preview too. */
  readonly listener: PipelineListener;
  /** Why there are no pictures for now; null lets them be made again. */
  forbid(reason: string | null): void;
  /** A take is about to open the camera: a preview lets go now, and none begins for a while. */
  yield(): void;
  /** The newest picture. Rejects with `preview_unavailable` and the reason. */
  picture(widthPx: number): Promise<Picture>;
  /** A picture of now at full size, also where previews are off. Rejects like `picture`. */
  still(): Promise<Still>;
  stop(): Promise<void>;
}

export interface PreviewOptions {
  readonly camera: Camera;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether a take has the camera, or is about to. */
  readonly taken: () => boolean;
}

/** Cameras and encoders start slowly; a page waits no longer. */
const FIRST_PICTURE_US = 8_000_000;
/** The camera stays open this long after the last question: opening it costs more than letting it run. */
const LINGER_US = 6_000_000;
/** After a take was announced, the camera is left alone for this long: by then it is opened, or the take was refused. */
const YIELD_US = 2_000_000;
/** How often it is looked whether the camera is free again. */
const LOOK_AGAIN_US = 300_000;
/** An older key frame is no picture of now. */
const STALE_US = 2_000_000;
/** A picture is given again for this long. */
const FRESH_US = 1_000_000;
/** Widths that are made: whatever is asked, a second costs a handful of pictures at most. */
const WIDTHS_PX = [160, 320, 480, 640, 960, 1280, 1920];

interface Newest {
  readonly pipeline: Pipeline;
  readonly fragment: Fragment;
  readonly exposedMonoUs: number;
}

interface Kept {
  readonly picture: Promise<Picture>;
  /** Undefined while it is being made. */
  madeMonoUs: number | undefined;
}

/** The camera, opened for pictures alone. */
interface IdleRun {
  lastAskedUs: number;
  readonly control: AbortController;
  readonly ended: Promise<void>;
}

export function createPreview({ camera, clock, log, taken }: PreviewOptions): Preview {
  let newest: Newest | undefined;
  let running: Pipeline | undefined;
  let idle: IdleRun | undefined;
  let idleFailure: TouchlineError | undefined;
  /** Pages ask again and again: what is wrong is logged once. */
  let loggedFailure: string | undefined;
  let leftAloneUntilUs = 0;
  let forbidden: string | null = null;
  let stopped = false;
  let decoding: Promise<unknown> = Promise.resolve();
  const waiting = new Set<() => void>();
  const kept = new Map<number, Kept>();

  const listener: PipelineListener = {
    opened(pipeline) {
      running = pipeline;
      loggedFailure = undefined;
    },
    fragment(fragment) {
      const time = fragment.times[0];
      if (!running || !fragment.keyframe || time === undefined) return;
      const exposedMonoUs = running.originMonoUs + (time * 1e6) / running.initialisation.timescale;
      newest = { pipeline: running, fragment, exposedMonoUs };
      for (const wake of [...waiting]) wake();
    },
  };

  const isFresh = (): boolean => newest !== undefined && clock.monoUs() - newest.exposedMonoUs < STALE_US;

  const letGo = (): void => idle?.control.abort();

  /** Opens the camera for pictures, until nobody asks any more or a take needs it. */
  const openIdle = (): void => {
    idleFailure = undefined;
    const control = new AbortController();
    const run: IdleRun = {
      lastAskedUs: clock.monoUs(),
      control,
      ended: Promise.resolve().then(async () => {
        const stopWatching = clock.every(500, 'preview that nobody asks for', () => {
          if (clock.monoUs() - run.lastAskedUs > LINGER_US) control.abort();
        });
        try {
          const { profiles } = await camera.probe(control.signal);
          await runPipeline(
            {
              camera,
              clock,
              // Nothing of it is kept: the lightest will do.
              profile: profiles.at(-1) ?? profiles[0],
              cueMonoUs: clock.monoUs(),
              signal: control.signal,
              closing: 'at-once',
            },
            listener,
          );
        } catch (error) {
          if (!control.signal.aborted) {
            const failure = unavailable(error instanceof Error ? error.message : String(error), error);
            if (failure.message !== loggedFailure) log.warn({ err: error }, 'no preview');
            loggedFailure = failure.message;
            idleFailure = failure;
          }
        } finally {
          stopWatching();
          if (idle === run) idle = undefined;
          running = undefined;
          for (const wake of [...waiting]) wake();
        }
      }),
    };
    idle = run;
  };

  /** Waits until there is a key frame of now. */
  const fresh = async (always = false): Promise<Newest> => {
    const deadlineUs = clock.monoUs() + FIRST_PICTURE_US;
    for (let opened = false; ; ) {
      if (stopped) throw unavailable('the recorder is stopping');
      if (forbidden !== null && !always) throw unavailable(forbidden);
      if (idle) idle.lastAskedUs = clock.monoUs();
      if (newest && isFresh()) return newest;
      if (!taken() && !idle) {
        if (idleFailure && opened) throw idleFailure;
        if (clock.monoUs() >= leftAloneUntilUs) openIdle();
        opened = idle !== undefined;
      }
      if (clock.monoUs() > deadlineUs)
        throw unavailable(`no picture from ${camera.source} for ${FIRST_PICTURE_US / 1e6} s`);
      await woken(clock.monoUs() + LOOK_AGAIN_US);
    }
  };

  /** Until the next key frame, the end of an idle run, or `untilUs`. */
  const woken = async (untilUs: number): Promise<void> => {
    const over = new AbortController();
    const wake = (): void => over.abort();
    waiting.add(wake);
    try {
      await clock.sleepUntil(untilUs, 'a picture', over.signal);
    } catch (error) {
      if (!over.signal.aborted) throw error;
    } finally {
      waiting.delete(wake);
    }
  };

  /** One decoder at a time: pictures must not take the machine from the encoder. */
  const decode = (of: Newest, widthPx: number): Promise<Picture> => {
    const done = decoding.then(async () => ({
      jpeg: await decodePicture(of.pipeline.initialisation, of.fragment, widthPx),
      capturedUs: Math.round(wallAt(clock, of.exposedMonoUs)),
    }));
    decoding = done.catch(() => undefined);
    return done;
  };

  return {
    camera: {
      source: camera.source,
      live: camera.live,
      probe: (signal) => camera.probe(signal),
      async open(options) {
        while (idle) {
          letGo();
          await idle.ended;
        }
        running = undefined;
        return camera.open(options);
      },
    },
    listener,
    forbid(reason) {
      forbidden = reason;
      if (reason !== null) letGo();
    },
    yield() {
      leftAloneUntilUs = clock.monoUs() + YIELD_US;
      letGo();
    },
    async picture(askedPx) {
      if (forbidden !== null) throw unavailable(forbidden);
      const widthPx = WIDTHS_PX.find((width) => width >= askedPx) ?? askedPx;
      if (idle) idle.lastAskedUs = clock.monoUs();
      const last = kept.get(widthPx);
      if (last && (last.madeMonoUs === undefined || clock.monoUs() - last.madeMonoUs < FRESH_US))
        return last.picture;
      const making: Kept = { picture: fresh().then((of) => decode(of, widthPx)), madeMonoUs: undefined };
      kept.set(widthPx, making);
      try {
        return await making.picture;
      } catch (error) {
        kept.delete(widthPx);
        throw error;
      } finally {
        making.madeMonoUs = clock.monoUs();
      }
    },
    async still() {
      const of = await fresh(true);
      const { width, height } = of.pipeline.initialisation;
      return { ...(await decode(of, width)), width, height };
    },
    async stop() {
      stopped = true;
      letGo();
      for (const wake of [...waiting]) wake();
      await idle?.ended;
      await decoding;
    },
  };
}

function unavailable(reason: string, cause?: unknown): TouchlineError {
  return new TouchlineError('preview_unavailable', reason, { cause });
}
