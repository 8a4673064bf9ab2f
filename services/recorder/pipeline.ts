import { TouchlineError } from '#contracts/errors.ts';
import { type Fragment, fragmentReader, type Initialisation } from '#domain/fmp4/fragments.ts';
import type { Camera, Closing } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** A fragment lasts at most this long: it bounds what a power cut can take. */
const FRAGMENT_US = 200_000;
/** No frame for this long, once frames have come, is a stall. */
const STALL_US = 1_000_000;
/** The first frame may take this long: cameras and encoders start slowly. */
const FIRST_FRAME_US = 10_000_000;

/** A running camera with its muxer: fragments, each with the time its frames were exposed. */
export interface Pipeline {
  readonly initialisation: Initialisation;
  /** Exposure of the frame with time stamp 0, monotonic microseconds. */
  readonly originMonoUs: number;
}

export interface PipelineListener {
  /** Once, before the first fragment. */
  opened(pipeline: Pipeline): void;
  fragment(fragment: Fragment): void;
}

/**
 * Runs camera → time-stamped stream → fragmented MP4 until `signal` aborts (resolves) or the camera fails or stalls (rejects with
 * `camera_failed` and the reason). What was complete before either is delivered; `closing` says whether what follows is of use.
 */
export async function runPipeline(
  options: { camera: Camera; clock: Clock; cueMonoUs: number; signal: AbortSignal; closing?: Closing },
  listener: PipelineListener,
): Promise<void> {
  const { camera, clock, cueMonoUs, signal, closing = 'orderly' } = options;
  const stream = await camera.open({ cueMonoUs, signal });
  try {
    const muxer = await startProgram(
      'ffmpeg',
      [
        ...['-hide_banner', '-nostats', '-loglevel', 'error', '-analyzeduration', '0', '-probesize', '32'],
        ...['-f', 'mpegts', '-i', 'pipe:0', '-map', '0:v:0', '-c', 'copy'],
        ...[
          '-movflags',
          '+empty_moov+default_base_moof+frag_keyframe',
          '-frag_duration',
          String(FRAGMENT_US),
        ],
        ...['-flush_packets', '1', '-f', 'mp4', 'pipe:1'],
      ],
      { stdin: stream.output, stdout: 'pipe' },
    );
    const { stdout } = muxer.child;
    if (!stdout) throw new TouchlineError('internal', 'the muxer was started without stdout');

    const failed = Promise.withResolvers<TouchlineError | undefined>();
    const reader = fragmentReader();
    let lastUs = Math.max(clock.monoUs(), cueMonoUs);
    let pipeline: Pipeline | undefined;
    let initialisation: Initialisation | undefined;
    let waiting: Fragment[] = [];
    let originMonoUs: number | undefined;
    const deliver = (): void => {
      if (!initialisation || originMonoUs === undefined) return;
      if (!pipeline) {
        pipeline = { initialisation, originMonoUs };
        listener.opened(pipeline);
      }
      for (const fragment of waiting.splice(0)) listener.fragment(fragment);
    };
    stream.firstFrameMonoUs.then(
      (monoUs) => {
        originMonoUs = monoUs;
        deliver();
      },
      (error: unknown) => failed.reject(error),
    );
    stdout.on('data', (chunk: Buffer) => {
      try {
        for (const part of reader.push(chunk)) {
          if (part.kind === 'initialisation') initialisation = part;
          else waiting.push(part);
        }
      } catch (cause) {
        failed.resolve(
          new TouchlineError('camera_failed', `the camera ${camera.source} sent what is not a video`, {
            cause,
          }),
        );
      }
      // Also what came whole before the damage.
      lastUs = clock.monoUs();
      deliver();
    });
    stream.ended.then((error) => failed.resolve(error), failed.reject);
    muxer.ended.then(
      (end) =>
        failed.resolve(
          new TouchlineError('camera_failed', `the muxer of ${camera.source} ended: ${describeEnd(end)}`),
        ),
      failed.reject,
    );
    const stopWatching = clock.every(100, 'stalled camera', () => {
      const patience = pipeline ? STALL_US : FIRST_FRAME_US;
      if (clock.monoUs() - lastUs > patience)
        failed.resolve(
          new TouchlineError('camera_failed', `no frame from ${camera.source} for ${patience / 1e6} s`),
        );
    });
    const onAbort = (): void => failed.resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const error = await failed.promise;
      if (error) throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      stopWatching();
      await stream.close(closing);
      await (closing === 'at-once' ? muxer.stop('SIGKILL') : muxer.ended);
      waiting = [];
    }
  } finally {
    await stream.close(closing);
  }
}
