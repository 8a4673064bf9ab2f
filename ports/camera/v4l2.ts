import type { CameraConfig } from '#contracts/camera-config.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { ladderFor } from '#domain/ladder/ladder.ts';
import { COPY } from '#domain/ladder/rungs.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import { runProgram } from '#ports/program/program.ts';
import type { Camera, CameraOffer, Profile } from './camera.ts';
import { encoderArguments, streamFormat } from './encoders.ts';
import { ffmpegStream, streamOf, toStdout } from './ffmpeg-stream.ts';
import { firstTimestamp, TELL_FIRST_FRAME } from './first-frame.ts';
import { inputFormat, parseCurrent, parseFormats, sourceFor, type V4l2Mode } from './v4l2-list.ts';

export type V4l2Config = Extract<CameraConfig, { source: 'v4l2' }>;

/** Kernel time stamps of another clock than the monotonic one are further from it than this. */
const SAME_CLOCK_US = 60_000_000;

/**
 * A USB or other V4L2 camera, through ffmpeg. The kernel stamps its pictures with CLOCK_MONOTONIC when their first data arrive (a USB
 * camera is some milliseconds behind the exposure, which nothing tells). What it encodes itself is copied when that is what is wanted:
 * MJPEG for `codec: mjpeg`, H.264 otherwise.
 */
export function v4l2(config: V4l2Config, clock: Clock): Camera {
  const { device } = config;
  return {
    source: 'v4l2',
    live: true,
    async probe(signal): Promise<CameraOffer> {
      const modes = await readModes(device, signal);
      const [best, ...others] = profilesOf(config, modes);
      if (!best) {
        const formats = [...new Set(modes.map(({ fourcc }) => fourcc))].join(', ') || 'none';
        throw new TouchlineError(
          'camera_missing',
          `${device} offers nothing that can be recorded (formats: ${formats})`,
          {
            field: 'camera.device',
          },
        );
      }
      const requested = `${config.codec} ${config.width}x${config.height}@${config.fps}`;
      return { requested, profiles: [best, ...others] };
    },
    async open({ profile, signal }) {
      const modes = await readModes(device, signal);
      signal.throwIfAborted();
      const encoder = await ffmpegStream(v4l2Arguments(device, modes, profile), 'ignore', 'info');
      const firstFrameMonoUs = firstTimestamp(
        encoder.program,
        profile.rung === COPY ? 'packet' : 'picture',
      ).then((timeUs) => monoOf(timeUs, clock));
      return streamOf(
        'v4l2',
        { ...encoder, format: streamFormat(profile) },
        firstFrameMonoUs,
        () => undefined,
      );
    },
  };
}

/** All ways to record, best first: what comes encoded as wanted, then the ladder. */
export function profilesOf(config: V4l2Config, modes: readonly V4l2Mode[]): Profile[] {
  const copied: Profile[] = (config.codec === 'mjpeg' ? (['MJPG', 'JPEG'] as const) : (['H264'] as const))
    .flatMap((fourcc) => modes.filter((mode) => mode.fourcc === fourcc))
    .filter(({ width, height }) => width <= config.width && height <= config.height)
    .map(({ width, height, fps }) => ({
      width,
      height,
      fps: Math.floor(Math.min(fps + 0.01, config.fps)),
      codec: config.codec === 'mjpeg' ? ('mjpeg' as const) : ('h264' as const),
      bitrateMbps: config.bitrate_mbps,
      rung: COPY,
    }))
    .filter(({ fps }) => fps > 0)
    .sort((a, b) => b.width * b.height * b.fps - a.width * a.height * a.fps);
  const encoded = ladderFor({
    wanted: { ...config, bitrateMbps: config.bitrate_mbps },
    modes: modes.filter(({ fourcc }) => fourcc !== 'H264' && inputFormat(fourcc) !== undefined),
    scales: false,
  });
  // A rung that is named encodes; and smaller pictures than the best are not for copying what can be encoded.
  const [best] = copied;
  return config.encoder === 'auto' && best ? [best, ...encoded] : encoded;
}

/** Arguments of ffmpeg. Throws `camera_failed` when the device has lost the mode. */
export function v4l2Arguments(device: string, modes: readonly V4l2Mode[], profile: Profile): string[] {
  const copy = profile.rung === COPY;
  const source = copy
    ? modes.find(
        ({ fourcc, width, height }) =>
          inputFormat(fourcc) === profile.codec && width === profile.width && height === profile.height,
      )
    : sourceFor(modes, profile);
  const format = source && inputFormat(source.fourcc);
  if (format === undefined)
    throw new TouchlineError(
      'camera_failed',
      `${device} no longer offers ${profile.width}x${profile.height}`,
    );
  return [
    ...['-f', 'v4l2', '-input_format', format, '-video_size', `${profile.width}x${profile.height}`],
    ...['-framerate', String(profile.fps), '-thread_queue_size', '64', '-i', device],
    ...(copy
      ? // Begins with a key frame, as encoders do when they are started.
        ['-map', '0:v:0', '-c:v', 'copy']
      : [
          ...TELL_FIRST_FRAME,
          '-fps_mode',
          'passthrough',
          '-enc_time_base',
          '1:90000',
          ...encoderArguments(profile),
        ]),
    ...toStdout(streamFormat(profile)),
  ];
}

async function readModes(device: string, signal: AbortSignal): Promise<V4l2Mode[]> {
  const ask = (...what: string[]): Promise<string> =>
    runProgram('v4l2-ctl', ['--device', device, ...what], signal).catch((error: unknown) => {
      if (!(error instanceof TouchlineError) || error.code !== 'internal') throw error;
      throw new TouchlineError('camera_missing', `there is no camera at ${device}: ${error.message}`, {
        field: 'camera.device',
        cause: error,
      });
    });
  const modes = parseFormats(await ask('--list-formats-ext'));
  if (modes.length > 0) return modes;
  const current = parseCurrent(await ask('--get-fmt-video', '--get-parm'));
  return current ? [current] : [];
}

/** Drivers stamp by the monotonic clock; some old ones by the wall clock. */
function monoOf(timeUs: number, clock: Clock): number {
  const nowUs = clock.monoUs();
  if (Math.abs(timeUs - nowUs) < SAME_CLOCK_US) return timeUs;
  const fromWallUs = Math.round(timeUs - wallAt(clock, 0));
  return Math.abs(fromWallUs - nowUs) < SAME_CLOCK_US ? fromWallUs : nowUs;
}
