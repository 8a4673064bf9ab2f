import type { Readable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';
import { describeEnd, type Program, startProgram } from '#ports/program/program.ts';
import type { CameraStream } from './camera.ts';
import type { StreamFormat } from './encoders.ts';

/** Muxer arguments: to stdout, every packet at once. */
export function toStdout(format: StreamFormat): string[] {
  return ['-muxdelay', '0', '-muxpreload', '0', '-flush_packets', '1', '-f', format, 'pipe:1'];
}

/** Starts ffmpeg as a camera's encoder and gives its stdout and its end. On `info` it tells what it sees of its input. */
export async function ffmpegStream(
  args: readonly string[],
  stdin: 'ignore' | 'pipe',
  logLevel: 'error' | 'info' = 'error',
): Promise<{ program: Program; output: Readable }> {
  const program = await startProgram('ffmpeg', ['-hide_banner', '-nostats', '-loglevel', logLevel, ...args], {
    stdin,
    stdout: 'pipe',
  });
  const output = program.child.stdout;
  if (!output) throw new TouchlineError('internal', 'ffmpeg was started without stdout');
  return { program, output };
}

/** The camera stream of a program. `beforeStop` ends what feeds it; `stopSignal` is what it ends by in order. */
export function streamOf(
  source: string,
  {
    program,
    output,
    name = 'ffmpeg',
    format = 'mpegts',
    stopSignal = 'SIGTERM',
  }: {
    program: Program;
    output: Readable;
    name?: string;
    format?: StreamFormat;
    stopSignal?: NodeJS.Signals;
  },
  firstFrameMonoUs: Promise<number>,
  beforeStop: () => void,
): CameraStream {
  let closing = false;
  return {
    output,
    format,
    firstFrameMonoUs,
    ended: program.ended.then((end) =>
      closing
        ? undefined
        : new TouchlineError('camera_failed', `the camera ${source} ended: ${name} ${describeEnd(end)}`, {
            details: { stderr: end.stderr },
          }),
    ),
    async close(how) {
      closing = true;
      beforeStop();
      await program.stop(how === 'at-once' ? 'SIGKILL' : stopSignal);
    },
  };
}
