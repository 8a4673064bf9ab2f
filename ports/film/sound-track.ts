import { TouchlineError } from '#contracts/errors.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** A stretch of the sound of a film: one channel, sample n at `fromUs` + n / `rateHz` from the start of the file. */
export interface Sound {
  readonly samples: Float32Array;
  readonly rateHz: number;
  readonly fromUs: number;
}

const RATE_HZ = 48_000;
/** Before the stretch that is wanted: a decoder needs some sound before it is exact. */
const LEAD_US = 500_000;

/** Decodes it; silence where the track has nothing. Throws `not_mp4` with the words of ffmpeg, also for a film without sound. */
export async function readSound(
  path: string,
  stretch: { readonly fromUs: number; readonly toUs: number },
  signal?: AbortSignal,
  ffmpeg = 'ffmpeg',
): Promise<Sound> {
  const fromUs = Math.max(0, Math.round(stretch.fromUs));
  const seekUs = Math.max(0, fromUs - LEAD_US);
  const first = Math.round((fromUs * RATE_HZ) / 1e6);
  const decoder = await startProgram(
    ffmpeg,
    [
      ...['-nostdin', '-hide_banner', '-nostats', '-v', 'error', '-copyts'],
      ...(seekUs > 0 ? ['-ss', (seekUs / 1e6).toFixed(6)] : []),
      ...['-i', path, '-map', '0:a:0', '-ac', '1'],
      // Holes are filled, and the first sample is the one of the time that is asked for.
      ...[
        '-af',
        `aresample=${RATE_HZ}:async=1:min_hard_comp=0.001:first_pts=${Math.round((seekUs * RATE_HZ) / 1e6)}`,
      ],
      ...['-to', (stretch.toUs / 1e6).toFixed(6), '-f', 'f32le', 'pipe:1'],
    ],
    { stdout: 'pipe' },
  );
  const stop = (): void => void decoder.stop('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  const chunks: Buffer[] = [];
  decoder.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const end = await decoder.ended;
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  if (end.code !== 0)
    throw new TouchlineError('not_mp4', `the sound of ${path} cannot be decoded: ${describeEnd(end)}`);
  const bytes = new Uint8Array(Buffer.concat(chunks));
  const all = new Float32Array(bytes.buffer, 0, bytes.length >> 2);
  const skip = first - Math.round((seekUs * RATE_HZ) / 1e6);
  return {
    samples: all.subarray(Math.min(skip, all.length)),
    rateHz: RATE_HZ,
    fromUs: (first * 1e6) / RATE_HZ,
  };
}
