import type { Program } from '#ports/program/program.ts';

/** What a program says on stderr, line by line, until `more` is answered with false. */
export function watchLines(program: Program, onLine: (line: string) => boolean): void {
  let rest = '';
  const onData = (text: string): void => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines)
      if (!onLine(line)) {
        program.child.stderr?.off('data', onData);
        return;
      }
  };
  program.child.stderr?.on('data', onData);
}

/**
 * A filter graph of ffmpeg that tells the time stamp of the first picture and passes all on as `[v]`. Only with `-loglevel info`.
 */
export const TELL_FIRST_FRAME = [
  '-filter_complex',
  '[0:v]split[all][first];[first]trim=end_frame=1,showinfo,nullsink;[all]null[v]',
  '-map',
  '[v]',
];

/**
 * The time stamp of the first picture, microseconds of the input's clock: of the first that was decoded (`TELL_FIRST_FRAME`), or of the
 * first packet where nothing is decoded. Read from what ffmpeg prints; never settles if there is none.
 */
export function firstTimestamp(program: Program, from: 'picture' | 'packet'): Promise<number> {
  const found = Promise.withResolvers<number>();
  let startSec = 0;
  let timeBaseSec: number | undefined;
  watchLines(program, (line) => {
    const start = /^ {2}Duration: .* start: (\d+\.\d+)/.exec(line)?.[1];
    if (start !== undefined) startSec = Number(start);
    const base = /Parsed_showinfo.*config in time_base: (\d+)\/(\d+)/.exec(line);
    if (base) timeBaseSec = Number(base[1]) / Number(base[2]);
    // Behind the demuxer of ffmpeg time counts from the first packet.
    const pts = /Parsed_showinfo.* n: *0 pts: *(\d+) /.exec(line)?.[1];
    const sinceStartSec =
      from === 'packet' && start !== undefined
        ? 0
        : pts !== undefined && timeBaseSec !== undefined
          ? Number(pts) * timeBaseSec
          : undefined;
    if (sinceStartSec === undefined) return true;
    found.resolve(Math.round((startSec + sinceStartSec) * 1e6));
    return false;
  });
  return found.promise;
}
