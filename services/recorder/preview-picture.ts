import { TouchlineError } from '#contracts/errors.ts';
import type { Fragment, Initialisation } from '#domain/fmp4/fragments.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** One frame takes a fraction of a second; what takes longer is stuck. */
const DECODE_LIMIT_MS = 8000;
/** ffmpeg's scale for JPEG: 2 is best, 31 worst. */
const QUALITY = '5';
/** Where memory is short, the kernel ends this first: `oom_score_adj` at its highest (proc(5)), which nobody needs leave for. */
const FIRST_TO_GO = '1000';

/**
 * The first frame of a fragment that begins with a key frame, as a JPEG at most `widthPx` wide. The decoder runs at the lowest
 * priority, on one core, and is what the kernel ends before the recorder whose memory it shares. Rejects with `preview_unavailable`.
 */
export async function decodePicture(
  initialisation: Initialisation,
  fragment: Fragment,
  widthPx: number,
): Promise<Buffer> {
  const program = await startProgram(
    'choom',
    [
      ...[
        '-n',
        FIRST_TO_GO,
        '--',
        'nice',
        '-n',
        '19',
        'ffmpeg',
        '-hide_banner',
        '-nostats',
        '-loglevel',
        'error',
        '-threads',
        '1',
      ],
      ...['-f', 'mp4', '-i', 'pipe:0', '-frames:v', '1', '-an'],
      ...['-vf', `scale='min(${widthPx},iw)':-2`, '-threads', '1'],
      ...['-c:v', 'mjpeg', '-q:v', QUALITY, '-f', 'image2pipe', 'pipe:1'],
    ],
    { stdin: 'pipe', stdout: 'pipe' },
  );
  const chunks: Buffer[] = [];
  program.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  program.child.stdin?.write(initialisation.bytes);
  program.child.stdin?.end(fragment.bytes);
  const limit = setTimeout(() => program.child.kill('SIGKILL'), DECODE_LIMIT_MS);
  const end = await program.ended;
  clearTimeout(limit);
  if (end.code !== 0 || chunks.length === 0)
    throw new TouchlineError('preview_unavailable', `the picture could not be decoded: ${describeEnd(end)}`, {
      details: { stderr: end.stderr },
    });
  return Buffer.concat(chunks);
}
