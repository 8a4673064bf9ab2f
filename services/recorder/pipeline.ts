import { Writable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';
import { type Fragment, fragmentReader, type Initialisation } from '#domain/fmp4/fragments.ts';
import type { Camera, CameraStream, Closing, FrameSyncRole, Profile } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, type Program, startProgram } from '#ports/program/program.ts';
import { type AudioInput, feedSound, SAMPLE_RATE, type SoundState } from './sound.ts';

/** A fragment lasts at most this long: it bounds what a power cut can take. */
const FRAGMENT_US = 200_000;
/** No frame for this long, once frames have come, is a stall. */
const STALL_US = 1_000_000;
/** Nor is it one before this many frames are missing, where frames are rare. */
const STALL_FRAMES = 4;
/** The first frame may take this long: cameras and encoders start slowly. */
const FIRST_FRAME_US = 10_000_000;
/** Frames wait this long for the time of the first one; then it is taken from their arrival. */
const ORIGIN_US = 2_000_000;
/** When the camera is gone, the muxer has nothing to wait for. */
const MUXER_GRACE_MS = 500;
/**
 * Sound begins this long after the first picture: AAC begins with a packet of before its first sample, and one of before time zero would
 * move all pictures.
 */
const SOUND_AFTER_US = 100_000;
const SOUND_KBPS = 64;
const SOUND_PATIENCE_US = 250_000;
/** Inputs of ffmpeg are read as they come, without a look ahead. */
const AT_ONCE = ['-analyzeduration', '0', '-probesize', '32', '-thread_queue_size', '64'];

/** A running camera with its muxer: fragments, each with the time its frames were exposed. */
export interface Pipeline {
  readonly initialisation: Initialisation;
  /**
   * Exposure of the frame with time stamp 0, monotonic microseconds. Of a camera that does not tell it (`originUnknown`), from when its
   * frames arrived: late by what encoder and muxer take.
   */
  readonly originMonoUs: number;
  /** Whether exposures are aligned with the rig's, as far as the camera can tell, now. */
  readonly frameSynced: () => boolean;
}

export interface PipelineListener {
  /** Once, before the first fragment. */
  opened(pipeline: Pipeline): void;
  fragment(fragment: Fragment): void;
  /** Once, before `opened`: frames come, but not the time of the first. */
  originUnknown?(): void;
  /** The microphone came or went; only with `audio`. Its sound is missing meanwhile, and nothing else. */
  sound?(state: SoundState): void;
}

export interface PipelineOptions {
  readonly camera: Camera;
  readonly clock: Clock;
  readonly profile: Profile;
  readonly cueMonoUs: number;
  readonly frameSync?: FrameSyncRole;
  /** Sound beside the pictures; none when left out. */
  readonly audio?: AudioInput;
  readonly signal: AbortSignal;
  readonly closing?: Closing;
}

/**
 * Runs camera → time-stamped stream → fragmented MP4 until `signal` aborts (resolves) or the camera fails or stalls (rejects with
 * `camera_failed` and the reason). What was complete before either is delivered; `closing` says whether what follows is of use. Of a camera
 * that failed or stalled nothing is waited for: the next one can be opened at once.
 */
export async function runPipeline(options: PipelineOptions, listener: PipelineListener): Promise<void> {
  const { camera, clock, profile, cueMonoUs, frameSync, audio, signal, closing = 'orderly' } = options;
  const stream = await camera.open({ cueMonoUs, profile, signal, ...(frameSync ? { frameSync } : {}) });
  try {
    const muxer = await startProgram('ffmpeg', muxerArguments(stream, profile, audio), {
      stdin: stream.output,
      stdout: 'pipe',
      furtherPipes: audio ? 1 : 0,
    });
    const { stdout } = muxer.child;
    if (!stdout) throw new TouchlineError('internal', 'the muxer was started without stdout');

    const known = Promise.withResolvers<number>();
    const sink = muxer.child.stdio[3];
    const sound =
      audio && sink instanceof Writable
        ? feedSound({
            audio,
            clock,
            sink,
            originMonoUs: known.promise.then((monoUs) => monoUs + SOUND_AFTER_US),
            onState: (state) => listener.sound?.(state),
          })
        : undefined;
    const failed = Promise.withResolvers<TouchlineError | undefined>();
    const reader = fragmentReader();
    /** When the last frame came; before the first, when it was opened. */
    let lastUs = Math.max(clock.monoUs(), cueMonoUs);
    let pipeline: Pipeline | undefined;
    let initialisation: Initialisation | undefined;
    let waiting: Fragment[] = [];
    let originMonoUs: number | undefined;
    /** From arrivals: a frame comes late, never early, so the earliest tells most. `sinceUs`: when the first one came. */
    let arrived: { readonly sinceUs: number; readonly originUs: number } | undefined;
    const deliver = (): void => {
      if (!initialisation || originMonoUs === undefined) return;
      if (!pipeline) {
        pipeline = { initialisation, originMonoUs, frameSynced: stream.frameSynced ?? (() => false) };
        listener.opened(pipeline);
      }
      for (const fragment of waiting.splice(0)) listener.fragment(fragment);
    };
    const originate = (monoUs: number): void => {
      if (originMonoUs !== undefined) return;
      originMonoUs = monoUs;
      known.resolve(monoUs);
      deliver();
    };
    stream.firstFrameMonoUs.then(originate, (error: unknown) => failed.reject(error));
    stdout.on('data', (chunk: Buffer) => {
      try {
        for (const part of reader.push(chunk)) {
          if (part.kind === 'initialisation') initialisation = part;
          else {
            waiting.push(part);
            // Bytes without a frame are no sign of life.
            if (part.times.length === 0) continue;
            lastUs = clock.monoUs();
            const originUs = lastUs - Math.round((part.endTime * 1e6) / (initialisation?.timescale ?? 1));
            arrived = {
              sinceUs: arrived?.sinceUs ?? lastUs,
              originUs: Math.min(originUs, arrived?.originUs ?? originUs),
            };
          }
        }
      } catch (cause) {
        failed.resolve(
          new TouchlineError('camera_failed', `the camera ${camera.source} sent what is not a video`, {
            cause,
          }),
        );
      }
      // Also what came whole before the damage.
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
      const nowUs = clock.monoUs();
      if (originMonoUs === undefined && arrived && nowUs - arrived.sinceUs > ORIGIN_US) {
        listener.originUnknown?.();
        originate(arrived.originUs);
      }
      // The head of the file comes before any frame, so it is no frame.
      const patience = arrived ? Math.max(STALL_US, (STALL_FRAMES * 1e6) / profile.fps) : FIRST_FRAME_US;
      if (nowUs - lastUs > patience)
        failed.resolve(
          new TouchlineError('camera_failed', `no frame from ${camera.source} for ${patience / 1e6} s`),
        );
    });
    const onAbort = (): void => failed.resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    let error: TouchlineError | undefined;
    try {
      error = await failed.promise;
      if (error) throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      stopWatching();
      await Promise.all([stream.close(error ? 'at-once' : closing), sound?.stop()]);
      if (closing === 'at-once') await muxer.stop('SIGKILL');
      else if (error) await endSoon(muxer);
      else await muxer.ended;
      waiting = [];
    }
  } finally {
    await stream.close('at-once');
  }
}

/** It has lost its input and ends by itself; unless something still holds the pipe. */
async function endSoon(muxer: Program): Promise<void> {
  const timer = setTimeout(() => muxer.child.kill('SIGKILL'), MUXER_GRACE_MS);
  await muxer.ended;
  clearTimeout(timer);
}

/** Arguments of ffmpeg that make a fragmented MP4 of a camera's stream as it comes. */
function muxerArguments({ format }: CameraStream, { codec }: Profile, audio?: AudioInput): string[] {
  // Of MJPEG every frame is a key frame: a fragment for each would be too much of a good thing.
  const cut = codec === 'mjpeg' ? '' : '+frag_keyframe';
  return [
    ...['-hide_banner', '-nostats', '-loglevel', 'error'],
    ...[...AT_ONCE, '-f', format, '-i', 'pipe:0', ...(audio ? soundInput(audio) : [])],
    ...['-map', '0:v:0', '-c:v', 'copy', ...(audio ? soundOutput(audio) : [])],
    // Players of Apple take H.265 by this name only.
    ...(codec === 'h265' ? ['-tag:v', 'hvc1'] : []),
    ...['-movflags', `+empty_moov+default_base_moof${cut}`, '-frag_duration', String(FRAGMENT_US)],
    ...['-flush_packets', '1', '-f', 'mp4', 'pipe:1'],
  ];
}

function soundInput({ channels }: AudioInput): string[] {
  return [
    ...[...AT_ONCE, '-itsoffset', `${SOUND_AFTER_US}us`],
    ...['-f', 's16le', '-ar', String(SAMPLE_RATE), '-ac', String(channels), '-i', 'pipe:3'],
  ];
}

function soundOutput({ channels }: AudioInput): string[] {
  return [
    ...['-map', '1:a:0', '-c:a', 'aac', '-b:a', `${channels * SOUND_KBPS}k`],
    // Pictures do not wait longer for their sound.
    ...['-max_interleave_delta', String(SOUND_PATIENCE_US)],
  ];
}
