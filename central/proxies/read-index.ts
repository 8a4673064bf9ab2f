import { TouchlineError } from '#contracts/errors.ts';
import { type FilmIndex, indexReader } from '#domain/film/index-of-film.ts';
import { runJobProgram } from '#ports/program/job-program.ts';

/** Reads every packet of a film with ffprobe, which lies beside ffmpeg. Throws `job_failed`, `program_missing`. */
export async function readIndex(
  ffmpegPath: string,
  film: string,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<FilmIndex> {
  const reader = indexReader();
  let failure: unknown;
  await runJobProgram({
    path: ffmpegPath.replace(/ffmpeg([^/]*)$/, 'ffprobe$1'),
    args: [
      ...['-v', 'error', '-of', 'compact=p=0', '-select_streams', 'v:0', '-show_entries'],
      ...['packet=pts_time,duration_time,flags:stream=codec_name,pix_fmt,width,height', film],
    ],
    signal,
    onProgressLine(line) {
      try {
        reader.line(line);
      } catch (error) {
        failure ??= error;
      }
    },
    onLogLine: log,
  });
  try {
    if (failure !== undefined) throw failure;
    return reader.end();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new TouchlineError('job_failed', cause.message, { cause });
  }
}
