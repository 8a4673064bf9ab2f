import { CLOCK_PATTERN, clockPatternRow } from '#domain/clock-pattern/clock-pattern.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import { runProgram } from '#ports/program/program.ts';
import type { Camera, CameraMode } from './camera.ts';
import { encoderArguments, ffmpegStream, streamOf, TS_TO_STDOUT } from './ffmpeg-stream.ts';
import { matroskaFrame, matroskaHead } from './matroska.ts';

export interface TestPatternOptions {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly bitrateMbps: number;
  readonly hueDeg: number;
  readonly clock: Clock;
}

/** What the camera's own buffers hold: a frame that is not taken within this is lost. It also covers the encoder's start. */
const BUFFERED_SEC = 2;

/**
 * A moving picture whose frames carry the wall clock of their exposure (see `domain/clock-pattern`). It free-runs like
 * a camera: exposures follow its own beat from where it happened to start, whether or not the machine is busy just then, and a
 * frame that nobody takes before the buffers are full is lost.
 */
export function testPattern(options: TestPatternOptions): Camera {
  const { width, height, fps, bitrateMbps, hueDeg, clock } = options;
  const mode: CameraMode = { width, height, fps, codec: 'h264', bitrateMbps };
  let encoderSeen = false;
  return {
    source: 'test-pattern',
    live: true,
    async probe(signal) {
      // Without its encoder there is no picture; asked once, as a machine does not lose it.
      if (!encoderSeen) await runProgram('ffmpeg', ['-version'], signal);
      encoderSeen = true;
      return mode;
    },
    async open({ signal }) {
      signal.throwIfAborted();
      const strip = `${CLOCK_PATTERN.widthPx}x${CLOCK_PATTERN.heightPx}`;
      const scene = `testsrc2=size=${width}x${height}:rate=${fps},hue=h=${hueDeg}[scene]`;
      // The strip is the first input of the overlay, so its time stamps are those of the result.
      const place = `[0:v]format=yuv420p,split[a][b];[a]pad=${width}:${height}[frame];[frame][scene]overlay=eof_action=endall:format=yuv420[picture];[picture][b]overlay=0:0`;
      const encoder = await ffmpegStream(
        [
          ...['-analyzeduration', '0', '-probesize', '32', '-f', 'matroska', '-i', 'pipe:0'],
          ...[
            '-filter_complex',
            `${scene};${place}`,
            '-an',
            '-fps_mode',
            'passthrough',
            '-enc_time_base',
            '1:90000',
          ],
          ...encoderArguments(fps, bitrateMbps),
          ...TS_TO_STDOUT,
        ],
        'pipe',
      );
      const stdin = encoder.program.child.stdin;
      if (!stdin) throw new Error(`ffmpeg for ${strip} was started without stdin`);
      stdin.write(matroskaHead(CLOCK_PATTERN.widthPx, CLOCK_PATTERN.heightPx, fps));

      const first = Promise.withResolvers<number>();
      const control = new AbortController();
      const sensor = async (): Promise<void> => {
        const periodUs = 1e6 / fps;
        const originUs = clock.monoUs();
        const bufferedBytes = BUFFERED_SEC * fps * CLOCK_PATTERN.widthPx * CLOCK_PATTERN.heightPx;
        for (let n = 0; !stdin.destroyed; n++) {
          const exposedUs = Math.round(originUs + n * periodUs);
          await clock.sleepUntil(exposedUs, 'next exposure', control.signal);
          const nowUs = clock.monoUs();
          if (nowUs - exposedUs > BUFFERED_SEC * 1e6 || stdin.writableLength > bufferedBytes) continue;
          stdin.write(matroskaFrame(exposedUs - originUs, picture(wallAt(clock, exposedUs))));
          first.resolve(exposedUs);
        }
      };
      const running = sensor().catch((error: unknown) => {
        if (!control.signal.aborted) throw error;
      });
      const stream = streamOf(this.source, encoder, first.promise, () => {
        control.abort();
        stdin.end();
      });
      return {
        ...stream,
        ended: stream.ended.finally(() => control.abort()),
        async close() {
          await stream.close();
          await running;
        },
      };
    },
  };
}

function picture(wallUs: number): Buffer {
  const row = Buffer.from(clockPatternRow(wallUs));
  return Buffer.concat(Array.from({ length: CLOCK_PATTERN.heightPx }, () => row));
}
