import { z } from 'zod';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** What a stream that comes encoded is like. */
export interface StreamSample {
  /** As ffmpeg names it. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly reordered: boolean;
  /** The longest time from key frame to key frame that was seen; infinite when fewer than two came. */
  readonly keyframeSec: number;
  /** Mbit/s. */
  readonly bitrateMbps: number;
}

/** How long a stream is looked at. */
const SAMPLE_SEC = 5;

const Probe = z.object({
  streams: z
    .array(
      z.object({
        codec_name: z.string(),
        width: z.number(),
        height: z.number(),
        has_b_frames: z.number().default(0),
        avg_frame_rate: z.string(),
      }),
    )
    .min(1),
  packets: z.array(
    z.object({ pts_time: z.coerce.number().optional(), size: z.coerce.number(), flags: z.string() }),
  ),
});

/** Reads a few seconds of an input of ffmpeg. Rejects with an error in the words of ffprobe when there is no video. */
export async function sampleStream(
  input: readonly string[],
  stdin: string,
  signal: AbortSignal,
): Promise<StreamSample> {
  signal.throwIfAborted();
  const program = await startProgram(
    'ffprobe',
    [
      ...['-v', 'error', '-select_streams', 'v:0', '-read_intervals', `%+${SAMPLE_SEC}`, '-of', 'json'],
      ...['-show_entries', 'stream=codec_name,width,height,has_b_frames,avg_frame_rate'],
      ...['-show_entries', 'packet=pts_time,size,flags', ...input],
    ],
    { stdin: 'pipe', stdout: 'pipe' },
  );
  program.child.stdin?.end(stdin);
  let out = '';
  program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const onAbort = (): void => void program.child.kill('SIGKILL');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const end = await program.ended;
  signal.removeEventListener('abort', onAbort);
  signal.throwIfAborted();
  if (end.code !== 0) throw new Error(describeEnd(end));
  const parsed = Probe.safeParse(JSON.parse(out));
  const stream = parsed.data?.streams[0];
  if (!parsed.data || !stream) throw new Error('it has no video');
  const { packets } = parsed.data;
  const times = packets.flatMap(({ pts_time }) => (pts_time === undefined ? [] : [pts_time]));
  const keys = packets.filter(({ flags }) => flags.includes('K')).flatMap(({ pts_time }) => pts_time ?? []);
  const seconds = Math.max(...times) - Math.min(...times);
  const [over = 0, under = 1] = stream.avg_frame_rate.split('/').map(Number);
  const bits = packets.reduce((sum, { size }) => sum + size * 8, 0);
  return {
    codec: stream.codec_name,
    width: stream.width,
    height: stream.height,
    fps: under > 0 && over > 0 ? over / under : Math.max(0, (times.length - 1) / seconds),
    reordered: stream.has_b_frames > 0,
    keyframeSec:
      keys.length < 2
        ? Number.POSITIVE_INFINITY
        : Math.max(...keys.slice(1).map((key, n) => key - (keys[n] ?? key))),
    bitrateMbps: seconds > 0 ? bits / seconds / 1e6 : 0,
  };
}
