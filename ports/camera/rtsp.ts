import type { CameraConfig } from '#contracts/camera-config.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { VideoCodec } from '#contracts/manifest.ts';
import { ladderFor } from '#domain/ladder/ladder.ts';
import { COPY } from '#domain/ladder/rungs.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Program } from '#ports/program/program.ts';
import { type Camera, type CameraOffer, KEYFRAME_INTERVAL_SEC, type Profile, profileName } from './camera.ts';
import { encoderArguments, streamFormat } from './encoders.ts';
import { ffmpegStream, streamOf, toStdout } from './ffmpeg-stream.ts';
import { watchLines } from './first-frame.ts';
import { type StreamSample, sampleStream } from './sample-stream.ts';

export type RtspConfig = Extract<CameraConfig, { source: 'rtsp' }>;

/** Key frames at most this far apart let a stream be recorded as it is. */
const COPY_KEYFRAME_SEC = KEYFRAME_INTERVAL_SEC * 4;
/** A camera that does not answer for this long is not there. */
const ANSWER_US = 5_000_000;
/** How long the stream is watched until it is known how late its frames come. */
const SETTLE_US = 1_000_000;
const CODECS: Record<string, VideoCodec> = { h264: 'h264', hevc: 'h265' };
/** ffmpeg opens what the list on its stdin names, and what that leads to. */
const PROTOCOLS = 'pipe,rtsp,rtp,udp,tcp,tls,crypto';

/**
 * A network camera, through ffmpeg. H.264 and H.265 with frequent key frames and without reordering are copied, everything else is encoded.
 * Its frames count from when they arrived: RTSP does not tell when they were exposed, so the delay of camera and network (often 0.1 to 0.5
 * s) is in what the recording says of its time. The address, which may hold a password, is given to ffmpeg on its stdin: command lines can
 * be read by everybody on the machine.
 */
export function rtsp(config: RtspConfig, clock: Clock): Camera {
  let sample: StreamSample | undefined;
  return {
    source: 'rtsp',
    live: true,
    async probe(signal): Promise<CameraOffer> {
      sample ??= await sampleStream(INPUT, listing(config), signal).catch((error: unknown) => {
        signal.throwIfAborted();
        if (error instanceof TouchlineError) throw error;
        const why = withoutSecrets(error instanceof Error ? error.message : String(error), config.url);
        throw new TouchlineError('camera_missing', `no video from ${hostOf(config.url)}: ${why}`, {
          field: 'camera.url',
        });
      });
      const [best, ...others] = rtspProfiles(config, sample);
      if (!best)
        throw new TouchlineError('camera_missing', `${hostOf(config.url)} tells no frame rate`, {
          field: 'camera.url',
        });
      return { requested: profileName(best), profiles: [best, ...others] };
    },
    async open({ profile, signal }) {
      signal.throwIfAborted();
      const encoding =
        profile.rung === COPY
          ? // Counts from the first key frame, with which the stream begins.
            ['-c:v', 'copy', '-bsf:v', 'setts=pts=PTS-STARTPTS:dts=DTS-STARTDTS']
          : [
              '-vf',
              `fps=${profile.fps},scale=${profile.width}:${profile.height}`,
              ...encoderArguments(profile),
            ];
      const ffmpeg = await ffmpegStream(
        [
          ...['-stats_period', '0.1', '-progress', 'pipe:2', ...INPUT, '-map', '0:v:0'],
          ...encoding,
          ...toStdout(streamFormat(profile)),
        ],
        'pipe',
      );
      ffmpeg.program.child.stdin?.end(listing(config));
      const stream = streamOf(
        'rtsp',
        { ...ffmpeg, format: streamFormat(profile) },
        arrivalOfFirst(ffmpeg.program, clock),
        () => undefined,
      );
      return {
        ...stream,
        ended: stream.ended.then(
          (error) => error && new TouchlineError('camera_failed', withoutSecrets(error.message, config.url)),
        ),
      };
    },
  };
}

/** Ways to record a stream, best first. */
export function rtspProfiles(config: RtspConfig, sample: StreamSample): Profile[] {
  const codec = CODECS[sample.codec];
  const fps = Math.max(1, Math.round(sample.fps));
  const picture = { width: sample.width, height: sample.height, fps };
  if (codec && !sample.reordered && sample.keyframeSec <= COPY_KEYFRAME_SEC)
    return [
      { ...picture, codec, bitrateMbps: Math.max(0.1, Math.round(sample.bitrateMbps * 10) / 10), rung: COPY },
    ];
  return ladderFor({
    wanted: { ...picture, codec: 'h264', encoder: 'auto', bitrateMbps: config.bitrate_mbps },
    modes: [picture],
    scales: true,
  });
}

const INPUT = ['-f', 'concat', '-safe', '0', '-protocol_whitelist', PROTOCOLS, '-i', 'pipe:0'];

/** The list that ffmpeg reads from its stdin (ffmpeg-formats, "concat"). */
function listing({ url, transport }: RtspConfig): string {
  return [
    'ffconcat version 1.0',
    // Inside of quotes only the quote itself means something.
    `file '${url.replaceAll("'", "'\\''")}'`,
    `option rtsp_transport ${transport}`,
    `option timeout ${ANSWER_US}`,
    '',
  ].join('\n');
}

/**
 * When the first frame arrived, monotonic microseconds: frames that wait while a stream is being opened come late, so what counts is
 * where the stream is, once it has caught up.
 */
function arrivalOfFirst(program: Program, clock: Clock): Promise<number> {
  const found = Promise.withResolvers<number>();
  let earliestUs: number | undefined;
  let settled = false;
  watchLines(program, (line) => {
    const outUs = Number(/^out_time_us=(\d+)/.exec(line)?.[1] ?? 0);
    if (outUs === 0) return !settled;
    const nowUs = clock.monoUs();
    if (earliestUs === undefined)
      // Nobody may read the stream yet, and then ffmpeg says no more either.
      clock.sleepUntil(nowUs + SETTLE_US, 'where the stream is').then(() => {
        settled = true;
        found.resolve(earliestUs ?? nowUs);
      }, found.reject);
    earliestUs = Math.min(earliestUs ?? nowUs, nowUs - outUs);
    return !settled;
  });
  return found.promise;
}

function hostOf(url: string): string {
  return new URL(url).host;
}

/** ffmpeg repeats addresses in its errors. */
function withoutSecrets(text: string, url: string): string {
  const { username, password, host, protocol } = new URL(url);
  const secrets = [url, password, decodeURIComponent(password), username ? `${username}:` : ''];
  return secrets
    .filter((secret) => secret !== '')
    .reduce((rest, secret) => rest.replaceAll(secret, secret === url ? `${protocol}//${host}` : '…'), text);
}
