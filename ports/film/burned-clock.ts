import { TouchlineError } from '#contracts/errors.ts';
import { CLOCK_PATTERN, readClockPattern } from '#domain/clock-pattern/clock-pattern.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** A frame, and the clock that is burned into it (see `domain/clock-pattern`). */
export interface ClockedFrame {
  /** When it is shown, microseconds from the start of the file. */
  readonly ptsUs: number;
  /** The time in the picture, microseconds since 1970; undefined when there is none. */
  readonly epochUs: number | undefined;
}

export interface Stretch {
  /** Frames before are not decoded. */
  readonly fromUs?: number;
  /** How many frames at most. */
  readonly frames?: number;
}

/**
 * Decodes a stretch of a film, all of it when nothing else is said, and reads the clock of every frame. A picture that is too small shows none. Throws `not_mp4`
 * with the words of ffmpeg.
 */
export async function readClocks(
  path: string,
  { fromUs = 0, frames }: Stretch = {},
  signal?: AbortSignal,
): Promise<ClockedFrame[]> {
  const { widthPx, heightPx } = CLOCK_PATTERN;
  const decoder = await startProgram(
    'ffmpeg',
    [
      // Its filter tells the time stamps as they are, on the log.
      ...['-nostdin', '-hide_banner', '-nostats', '-v', 'info', '-copyts'],
      ...(fromUs > 0 ? ['-ss', (fromUs / 1e6).toFixed(6)] : []),
      ...['-i', path, '-map', '0:v:0', '-fps_mode', 'passthrough'],
      ...(frames === undefined ? [] : ['-frames:v', String(frames)]),
      ...[
        '-vf',
        [
          `crop=min(iw\\,${widthPx}):min(ih\\,${heightPx}):0:0`,
          `pad=${widthPx}:${heightPx}`,
          'showinfo=checksum=0',
          'format=gray',
        ].join(),
      ],
      ...['-f', 'rawvideo', 'pipe:1'],
    ],
    { stdout: 'pipe' },
  );
  const stop = (): void => void decoder.stop('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const chunks: Buffer[] = [];
  let log = '';
  decoder.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  decoder.child.stderr?.on('data', (text: string) => {
    log += text;
  });
  const end = await decoder.ended;
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  const times = shownAtUs(log);
  const luma = Buffer.concat(chunks);
  if (end.code !== 0) throw new TouchlineError('not_mp4', `${path} cannot be decoded: ${describeEnd(end)}`);
  const frameBytes = widthPx * heightPx;
  // The filter sees a frame more than what is wanted of it.
  return times.slice(0, Math.floor(luma.length / frameBytes)).map((ptsUs, n) => ({
    ptsUs,
    epochUs: readClockPattern(luma.subarray(n * frameBytes, (n + 1) * frameBytes), widthPx),
  }));
}

/** `config in time_base: 1/90000, …` and `n: 0 pts: 3003 …` of ffmpeg's `showinfo`. */
function shownAtUs(log: string): number[] {
  const [, ticks = '0', perSec = '1'] = /config in time_base: (\d+)\/(\d+)/.exec(log) ?? [];
  const tickUs = (Number(ticks) * 1e6) / Number(perSec);
  return [...log.matchAll(/ n: *\d+ pts: *(-?\d+) /g)].map(([, pts]) => Math.round(Number(pts) * tickUs));
}
