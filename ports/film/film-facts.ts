import { TouchlineError } from '#contracts/errors.ts';
import { runProgram } from '#ports/program/program.ts';

/** What a film says of itself when it is opened. */
export interface FilmFacts {
  readonly width: number;
  readonly height: number;
  /** Of the video, from the start of the file. */
  readonly durationUs: number;
  /** One tick of its time stamps, microseconds. */
  readonly tickUs: number;
  readonly sound: { readonly rateHz: number } | null;
}

interface Stream {
  readonly codec_type: string;
  readonly width?: number;
  readonly height?: number;
  readonly time_base: string;
  readonly duration?: string;
  readonly sample_rate?: string;
}

/** Asks ffprobe. Throws `not_mp4` with its words for what is no film. */
export async function filmFacts(path: string, signal?: AbortSignal): Promise<FilmFacts> {
  const entries = 'stream=codec_type,width,height,time_base,duration,sample_rate:format=duration';
  const text = await runProgram(
    'ffprobe',
    ['-v', 'error', '-of', 'json', '-show_entries', entries, path],
    signal,
  ).catch((cause: unknown) => {
    if (!(cause instanceof TouchlineError && cause.code === 'internal')) throw cause;
    throw new TouchlineError('not_mp4', `${path} cannot be read: ${cause.message}`, { cause });
  });
  const { streams, format } = JSON.parse(text) as { streams: Stream[]; format: { duration?: string } };
  const video = streams.find(({ codec_type }) => codec_type === 'video');
  const sound = streams.find(({ codec_type }) => codec_type === 'audio');
  const [ticks = 0, perSec = 1] = video?.time_base.split('/').map(Number) ?? [];
  const durationUs = Number(video?.duration ?? format.duration) * 1e6;
  if (!video?.width || !video.height || !Number.isFinite(durationUs))
    throw new TouchlineError('not_mp4', `${path} has no video`);
  return {
    width: video.width,
    height: video.height,
    durationUs: Math.round(durationUs),
    tickUs: (ticks / perSec) * 1e6,
    sound: sound ? { rateHz: Number(sound.sample_rate) } : null,
  };
}
