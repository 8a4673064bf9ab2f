import type { RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import { EVEN_EXPOSURE, type Exposure } from '#domain/pitch/exposure.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { runProgram } from '#ports/program/program.ts';
import { type Camera, type Profile, profileName } from './camera.ts';
import { encoderArguments } from './encoders.ts';
import { ffmpegStream, streamOf, toStdout } from './ffmpeg-stream.ts';
import { matroskaHead } from './matroska.ts';
import { barsScene, emptyPitch, pitchScene, type TestScene } from './scenes.ts';
import { startSensor } from './sensor.ts';

/** Where a camera on the mast looks, degrees (see `domain/camera-geometry`), and how it renders light. */
export interface PitchView extends Pick<RectilinearCamera, 'hfovDeg' | 'yawDeg' | 'pitchDeg' | 'rollDeg'> {
  readonly exposure?: Partial<Exposure>;
}

export interface TestPatternOptions {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly bitrateMbps: number;
  readonly hueDeg: number;
  /** A football match seen like this; moving bars when left out. */
  readonly pitch?: PitchView;
  readonly clock: Clock;
}

/**
 * A moving picture whose frames carry the wall clock of their exposure (see `domain/clock-pattern`). It free-runs like
 * a camera: exposures follow its own beat from where it happened to start, whether or not the machine is busy just then, and a
 * frame that nobody takes before the buffers are full is lost.
 */
export function testPattern(options: TestPatternOptions): Camera {
  const { width, height, fps, bitrateMbps, hueDeg, pitch, clock } = options;
  const profile: Profile = { width, height, fps, codec: 'h264', bitrateMbps, rung: 'x264-ultrafast' };
  const exposure = { ...EVEN_EXPOSURE, ...pitch?.exposure };
  const view = pitch && { ...viewOf(pitch), width, height };
  let encoderSeen = false;
  const scene = async (): Promise<TestScene> =>
    view ? pitchScene(view, exposure) : barsScene(width, height, fps, hueDeg);
  return {
    source: 'test-pattern',
    live: true,
    async probe(signal) {
      // Without its encoder there is no picture; asked once, as a machine does not lose it.
      if (!encoderSeen) await runProgram('ffmpeg', ['-version'], signal);
      encoderSeen = true;
      // Begun now, it is there when a start needs it. Drawing has no way to fail.
      if (view) void emptyPitch(view, exposure);
      return { requested: profileName(profile), profiles: [profile] };
    },
    async open({ signal }) {
      signal.throwIfAborted();
      const shown = await scene();
      signal.throwIfAborted();
      const { input } = shown;
      const encoder = await ffmpegStream(
        [
          ...['-analyzeduration', '0', '-probesize', '32', '-f', 'matroska', '-i', 'pipe:0'],
          ...[...shown.arguments, '-an', '-fps_mode', 'passthrough', '-enc_time_base', '1:90000'],
          ...encoderArguments(profile),
          ...toStdout('mpegts'),
        ],
        'pipe',
      );
      const stdin = encoder.program.child.stdin;
      if (!stdin) throw new Error('ffmpeg for the test pattern was started without stdin');
      stdin.write(matroskaHead(input.width, input.height, fps, input.format));
      const sensor = startSensor({ clock, fps, sink: stdin, picture: shown.picture });
      const stream = streamOf(this.source, encoder, sensor.firstFrameMonoUs, () => {
        void sensor.stop();
        stdin.end();
      });
      return {
        ...stream,
        ended: stream.ended.finally(() => sensor.stop()),
        async close(closing) {
          await stream.close(closing);
          await sensor.stop();
        },
      };
    },
  };
}

function viewOf({ hfovDeg, yawDeg, pitchDeg, rollDeg }: PitchView): PitchView {
  return { hfovDeg, yawDeg, pitchDeg, rollDeg };
}
