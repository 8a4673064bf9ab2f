import { TouchlineError } from '#contracts/errors.ts';
import { backlogDrops } from '#domain/ladder/choose.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';
import type { Profile } from './camera.ts';
import { encoderArguments, encoderSettings, streamFormat } from './encoders.ts';

export interface EncoderMeasurement {
  /** How many times as fast as real time. */
  readonly speed: number;
  /** Frames that a camera would have lost to its slow moments. */
  readonly dropped: number;
  /** How long it ran, seconds. */
  readonly seconds: number;
}

export interface MeasureOptions {
  readonly clock: Clock;
  /** How long the encoder runs, once it has its pictures. */
  readonly seconds: number;
  /** A speed that is hopeless: seen after `HOPELESS_AFTER_SEC`, it ends the measurement. */
  readonly hopelessBelow?: number;
  readonly signal: AbortSignal;
}

/** Pictures that are made beforehand and shown in turn: at 4K they take 75 MB. */
const PICTURES = 6;
const HOPELESS_AFTER_SEC = 5;
/** How often the encoder says how far it is. */
const STATS_SEC = 0.5;

/**
 * Runs the encoder of a profile with exactly its arguments on noisy, moving pictures of its size, as fast as it goes. The pictures lie
 * in memory before the clock runs. Rejects with the reason of `signal` (its program is ended at once), or with `camera_failed` and the
 * words of the encoder.
 */
export async function measureEncoder(
  profile: Profile,
  { clock, seconds, hopelessBelow = 0, signal }: MeasureOptions,
): Promise<EncoderMeasurement> {
  signal.throwIfAborted();
  const { width, height, fps } = profile;
  const { pixelFormat } = encoderSettings(profile);
  const scene = `testsrc2=size=${width}x${height}:rate=${fps},noise=alls=12:allf=t+u,format=${pixelFormat},loop=loop=-1:size=${PICTURES}`;
  const program = await startProgram(
    'ffmpeg',
    [
      ...['-hide_banner', '-nostats', '-loglevel', 'error', '-f', 'lavfi', '-i', scene],
      ...encoderArguments(profile),
      ...[
        '-progress',
        'pipe:1',
        '-stats_period',
        String(STATS_SEC),
        '-y',
        '-f',
        streamFormat(profile),
        '/dev/null',
      ],
    ],
    { stdout: 'pipe' },
  );
  const looks: { atUs: number; frames: number }[] = [];
  const enough = Promise.withResolvers<void>();
  let rest = '';
  program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const frames = Number(/^frame=\s*(\d+)/.exec(line)?.[1] ?? Number.NaN);
      // The pictures are made while the first ones are encoded.
      if (!(frames > PICTURES)) continue;
      looks.push({ atUs: clock.monoUs(), frames });
      const { speed, seconds: ran } = resultOf(looks, fps);
      if (ran >= seconds || (ran >= HOPELESS_AFTER_SEC && speed < hopelessBelow)) enough.resolve();
    }
  });
  const onAbort = (): void => enough.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const early = await Promise.race([enough.promise.then(() => undefined), program.ended]);
    signal.throwIfAborted();
    if (early)
      throw new TouchlineError('camera_failed', `the encoder ${profile.rung} ended: ${describeEnd(early)}`);
    return resultOf(looks, fps);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await program.stop('SIGKILL');
  }
}

function resultOf(looks: readonly { atUs: number; frames: number }[], fps: number): EncoderMeasurement {
  const [first] = looks;
  const last = looks.at(-1);
  if (!first || !last || last === first) return { speed: 0, dropped: 0, seconds: 0 };
  const seconds = (last.atUs - first.atUs) / 1e6;
  const steps = looks.slice(1).map(({ atUs, frames }, n) => ({
    seconds: (atUs - (looks[n] ?? first).atUs) / 1e6,
    frames: frames - (looks[n] ?? first).frames,
  }));
  return {
    speed: Math.round(((last.frames - first.frames) / seconds / fps) * 1000) / 1000,
    dropped: backlogDrops(steps, fps),
    seconds,
  };
}
