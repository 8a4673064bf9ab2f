import { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import type { Manifest, VideoCodec } from '#contracts/manifest.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** What a video file shows when it is opened. Times in seconds. */
export interface FileFacts {
  /** ffmpeg's name of the codec when it is none of ours. */
  readonly codec: VideoCodec | (string & {});
  readonly width: number;
  readonly height: number;
  readonly durationSec: number;
  /** How long after the start of the file its first video frame comes. */
  readonly leadSec: number;
  /** Frames that the index names; null when it does not. */
  readonly frames: number | null;
}

export type Probe = (path: string) => Promise<FileFacts>;

const number = z.coerce.number();
const Answer = z.object({
  format: z.object({ format_name: z.string(), duration: number.optional(), start_time: number.optional() }),
  streams: z.array(
    z.object({
      codec_name: z.string().optional(),
      width: z.int(),
      height: z.int(),
      start_time: number.optional(),
      duration: number.optional(),
      nb_frames: number.optional(),
    }),
  ),
});

const CODEC_NAMES: Record<string, VideoCodec> = { h264: 'h264', hevc: 'h265', mjpeg: 'mjpeg' };
/** Manifests round, and the last frame of a film has no successor that would tell its length. */
const DURATION_TOLERANCE_SEC = 0.5;

/** Opens files with ffprobe. Throws `not_mp4` for what is no MP4 video, `program_missing` without ffprobe. */
export function ffprobe(ffmpegPath: string): Probe {
  const command = ffmpegPath.replace(/ffmpeg([^/]*)$/, 'ffprobe$1');
  return async (path) => {
    const program = await startProgram(
      command,
      [
        ...['-v', 'error', '-of', 'json', '-select_streams', 'v', '-show_entries'],
        'format=format_name,duration,start_time:stream=codec_name,width,height,start_time,duration,nb_frames',
        path,
      ],
      { stdout: 'pipe' },
    );
    let out = '';
    program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    const end = await program.ended;
    if (end.signal !== null)
      throw new TouchlineError('internal', `the file could not be examined: ${describeEnd(end)}`);
    const details = { ffprobe: end.stderr.slice(-5) };
    if (end.code !== 0)
      throw new TouchlineError('not_mp4', 'the file cannot be opened as a video', { details });
    const { format, streams } = Answer.parse(JSON.parse(out));
    const [video] = streams;
    if (!format.format_name.split(',').includes('mp4') || !video)
      throw new TouchlineError('not_mp4', 'the file has no video', { details });
    const durationSec = video.duration ?? format.duration;
    if (durationSec === undefined || durationSec <= 0)
      throw new TouchlineError('not_mp4', 'the file has no frames', { details });
    return {
      codec: CODEC_NAMES[video.codec_name ?? ''] ?? video.codec_name ?? 'unknown',
      width: video.width,
      height: video.height,
      durationSec,
      leadSec: Math.max(0, (video.start_time ?? 0) - (format.start_time ?? 0)),
      frames: video.nb_frames ?? null,
    };
  };
}

/** Throws `manifest_contradicts_file`, naming the field, when the manifest says something else than the file. */
export function assertManifestFits(manifest: Manifest, facts: FileFacts, sizeBytes: number): void {
  const { file, video } = manifest;
  assertSame('file.size_bytes', file.size_bytes, sizeBytes);
  assertSame('file.codec', file.codec, facts.codec);
  assertSame('video.resolution.width', video.resolution.width, facts.width);
  assertSame('video.resolution.height', video.resolution.height, facts.height);
  if (Math.abs(video.duration_sec - facts.durationSec) > DURATION_TOLERANCE_SEC)
    assertSame('video.duration_sec', video.duration_sec, facts.durationSec);
}

/** Throws `manifest_contradicts_file`. */
export function assertSame(field: string, said: unknown, found: unknown): void {
  if (said === found) return;
  throw new TouchlineError(
    'manifest_contradicts_file',
    `the manifest says ${field} is ${JSON.stringify(said)}; it is ${JSON.stringify(found)}`,
    { field, details: { manifest: said, found } },
  );
}
