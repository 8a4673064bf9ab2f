import { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import type { VideoCodec } from '#contracts/manifest.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { runProgram } from '#ports/program/program.ts';
import { type Camera, type CameraMode, KEYFRAME_INTERVAL_SEC, profileName } from './camera.ts';
import { encoderArguments } from './encoders.ts';
import { ffmpegStream, streamOf, toStdout } from './ffmpeg-stream.ts';

export interface FileCameraOptions {
  readonly path: string;
  readonly bitrateMbps: number;
  readonly clock: Clock;
}

/** ffmpeg needs about this long from its start to its first packet. */
const FFMPEG_START_US = 150_000;
/** Key frames at most this far apart let a file be replayed as it is. */
const REPLAY_KEYFRAME_SEC = KEYFRAME_INTERVAL_SEC * 4;
/** How far the mean and the nominal frame rate may differ in a film of even beat. */
const EVEN_BEAT_TOLERANCE = 0.01;
/** How much of a file is read to learn its key frames. */
const PROBE_SEC = 12;

interface Film {
  readonly mode: CameraMode;
  readonly durationUs: number;
  /** Frame rate as ffmpeg writes it, such as `30000/1001`. */
  readonly rate: string;
  /** Already H.264 without B-frames and with frequent key frames: it needs no encoder. */
  readonly replayable: boolean;
}

/**
 * A video file as a camera: real-time pace, from its beginning at the cue, looped when short. What any camera could
 * have sent (H.264, frequent key frames, no reordering) is replayed as it is; everything else is encoded.
 */
export function fileCamera(options: FileCameraOptions): Camera {
  const { path, bitrateMbps, clock } = options;
  let film: Film | undefined;
  const probe = async (signal: AbortSignal): Promise<Film> => {
    film ??= await probeFilm(path, bitrateMbps, signal);
    return film;
  };
  return {
    source: 'file',
    live: false,
    async probe(signal) {
      const { mode, replayable } = await probe(signal);
      const profile = { ...mode, rung: replayable ? 'copy' : 'x264-ultrafast' };
      return { requested: profileName(profile), profiles: [profile] };
    },
    async open({ cueMonoUs, signal }) {
      const { durationUs, rate, replayable, mode } = await probe(signal);
      await clock.sleepUntil(cueMonoUs - FFMPEG_START_US, 'cue of the film', signal);
      const encoded = { ...mode, bitrateMbps, rung: 'x264-ultrafast' };
      // Opened late, it goes on where it would be by now; only an encoder can begin between key frames.
      const lateUs = Math.max(0, clock.monoUs() + FFMPEG_START_US - cueMonoUs);
      const late = lateUs > FFMPEG_START_US * 2;
      const seek = late ? ['-ss', ((lateUs % durationUs) / 1e6).toFixed(6)] : [];
      const codec =
        replayable && !late
          ? ['-c:v', 'copy']
          : ['-vf', `fps=${rate},scale=trunc(iw/2)*2:trunc(ih/2)*2`, ...encoderArguments(encoded)];
      const encoder = await ffmpegStream(
        [
          '-re',
          '-stream_loop',
          '-1',
          ...seek,
          '-i',
          path,
          '-map',
          '0:v:0',
          '-an',
          '-sn',
          '-dn',
          ...codec,
          ...toStdout('mpegts'),
        ],
        'ignore',
      );
      const firstFrameMonoUs = late ? cueMonoUs + lateUs : cueMonoUs;
      return streamOf(this.source, encoder, Promise.resolve(firstFrameMonoUs), () => undefined);
    },
  };
}

const Probe = z.object({
  streams: z.array(
    z.object({
      codec_name: z.string().optional(),
      pix_fmt: z.string().optional(),
      width: z.number(),
      height: z.number(),
      r_frame_rate: z.string(),
      avg_frame_rate: z.string(),
      has_b_frames: z.number().optional(),
      bit_rate: z.coerce.number().optional(),
      side_data_list: z.array(z.object({ rotation: z.number().optional() })).default([]),
    }),
  ),
  format: z.object({ duration: z.coerce.number().optional(), bit_rate: z.coerce.number().optional() }),
  packets: z.array(z.object({ pts_time: z.coerce.number().optional(), flags: z.string() })).default([]),
});

/** Reads what is needed of a file with ffprobe. Throws `source_not_video` that names the file. */
export async function probeFilm(path: string, bitrateMbps: number, signal: AbortSignal): Promise<Film> {
  const notVideo = (why: string, cause?: unknown): TouchlineError =>
    new TouchlineError('source_not_video', `${path} cannot be a camera: ${why}`, { field: 'path', cause });
  const text = await runProgram(
    'ffprobe',
    [
      ...['-v', 'error', '-select_streams', 'v:0', '-read_intervals', `%+${PROBE_SEC}`, '-of', 'json'],
      ...[
        '-show_entries',
        'stream=codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,has_b_frames,bit_rate',
      ],
      ...['-show_entries', 'stream_side_data=rotation', '-show_entries', 'format=duration,bit_rate'],
      ...['-show_entries', 'packet=pts_time,flags', path],
    ],
    signal,
  ).catch((error: unknown) => {
    if (error instanceof TouchlineError && error.code === 'internal')
      throw notVideo(`ffmpeg cannot read it (${error.message})`, error);
    throw error;
  });
  const parsed = Probe.safeParse(JSON.parse(text));
  const stream = parsed.data?.streams[0];
  if (!parsed.success || !stream) throw notVideo('it has no video stream');
  const durationSec = parsed.data.format.duration;
  if (durationSec === undefined || durationSec <= 0) throw notVideo('it has no duration (a still picture?)');
  if (parsed.data.packets.length < 2) throw notVideo('it has a single picture');

  const rate = [stream.avg_frame_rate, stream.r_frame_rate].find(
    (text) => fractionOf(text) > 0 && fractionOf(text) <= 120,
  );
  if (rate === undefined) throw notVideo(`its frame rate ${stream.r_frame_rate} is not between 0 and 120`);
  const keyTimes = parsed.data.packets
    .filter((packet) => packet.flags.includes('K'))
    .map((packet) => packet.pts_time ?? 0);
  const lastTime = parsed.data.packets.at(-1)?.pts_time ?? 0;
  const longestGop = Math.max(...keyTimes.map((time, n) => (keyTimes[n + 1] ?? lastTime) - time));
  // A replayed film is not turned upright, and one of uneven beat would look like one that loses frames.
  const rotation = stream.side_data_list.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  const even =
    Math.abs(fractionOf(stream.avg_frame_rate) / fractionOf(stream.r_frame_rate) - 1) < EVEN_BEAT_TOLERANCE;
  const replayable =
    rotation === 0 &&
    even &&
    stream.codec_name === 'h264' &&
    stream.pix_fmt === 'yuv420p' &&
    stream.has_b_frames === 0 &&
    keyTimes[0] === parsed.data.packets[0]?.pts_time &&
    longestGop <= REPLAY_KEYFRAME_SEC;
  const [width, height] =
    rotation % 180 === 0 ? [stream.width, stream.height] : [stream.height, stream.width];
  const bitrate = stream.bit_rate ?? parsed.data.format.bit_rate;
  const codec: VideoCodec = 'h264';
  return {
    durationUs: Math.round(durationSec * 1e6),
    rate,
    replayable,
    mode: {
      width: width - (replayable ? 0 : width % 2),
      height: height - (replayable ? 0 : height % 2),
      fps: Math.max(1, Math.round(fractionOf(rate))),
      codec,
      bitrateMbps: replayable && bitrate !== undefined ? bitrate / 1e6 : bitrateMbps,
    },
  };
}

/** `30000/1001` → 29.97; 0 when it is not a number. */
function fractionOf(text: string): number {
  const [over, under] = text.split('/').map(Number);
  const value = (over ?? 0) / (under ?? 1);
  return Number.isFinite(value) ? value : 0;
}
