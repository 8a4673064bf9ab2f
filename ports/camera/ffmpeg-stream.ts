import type { Readable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';
import { describeEnd, type Program, startProgram } from '#ports/program/program.ts';
import { type CameraStream, KEYFRAME_INTERVAL_SEC } from './camera.ts';

/** Encoder arguments for a picture that has to be encoded here: light, without delay, key frames twice a second. */
export function encoderArguments(fps: number, bitrateMbps: number): string[] {
  const keyframeInterval = String(Math.max(1, Math.round(fps * KEYFRAME_INTERVAL_SEC)));
  return [
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p'],
    ...['-g', keyframeInterval, '-keyint_min', keyframeInterval, '-sc_threshold', '0'],
    ...['-b:v', `${bitrateMbps}M`, '-maxrate', `${bitrateMbps}M`, '-bufsize', `${bitrateMbps}M`],
  ];
}

/** Muxer arguments: MPEG-TS to stdout, every packet at once. */
export const TS_TO_STDOUT = [
  '-muxdelay',
  '0',
  '-muxpreload',
  '0',
  '-flush_packets',
  '1',
  '-f',
  'mpegts',
  'pipe:1',
];

/** Starts ffmpeg as a camera's encoder and gives its stdout and its end. */
export async function ffmpegStream(
  args: readonly string[],
  stdin: 'ignore' | 'pipe',
): Promise<{ program: Program; output: Readable }> {
  const program = await startProgram('ffmpeg', ['-hide_banner', '-nostats', '-loglevel', 'error', ...args], {
    stdin,
    stdout: 'pipe',
  });
  const output = program.child.stdout;
  if (!output) throw new TouchlineError('internal', 'ffmpeg was started without stdout');
  return { program, output };
}

/** The camera stream of such an ffmpeg. `beforeStop` ends what feeds it. */
export function streamOf(
  source: string,
  { program, output }: { program: Program; output: Readable },
  firstFrameMonoUs: Promise<number>,
  beforeStop: () => void,
): CameraStream {
  let closing = false;
  return {
    output,
    firstFrameMonoUs,
    ended: program.ended.then((end) =>
      closing
        ? undefined
        : new TouchlineError('camera_failed', `the camera ${source} ended: ffmpeg ${describeEnd(end)}`, {
            details: { stderr: end.stderr },
          }),
    ),
    async close(how) {
      closing = true;
      beforeStop();
      await program.stop(how === 'at-once' ? 'SIGKILL' : 'SIGTERM');
    },
  };
}
