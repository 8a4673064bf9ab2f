import type { Writable } from 'node:stream';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, type Program, startProgram } from '#ports/program/program.ts';
import { arrivalClock } from './arrival-clock.ts';

/** The sound of a recording: a stream of samples without a hole, whatever the microphone does. */

export interface AudioInput {
  /** ALSA capture device. */
  readonly device: string;
  readonly channels: number;
}

export interface SoundState {
  readonly live: boolean;
  /** Why there is silence; null when there is sound. */
  readonly reason: string | null;
}

export interface SoundOptions {
  readonly audio: AudioInput;
  readonly clock: Clock;
  /** Takes signed 16-bit samples, `SAMPLE_RATE` a second; ended by `stop`. */
  readonly sink: Writable;
  /** The instant of the first sample, monotonic microseconds. */
  readonly originMonoUs: Promise<number>;
  /** Called when the microphone comes or goes. */
  readonly onState: (state: SoundState) => void;
}

export interface Sound {
  stop(): Promise<void>;
}

export const SAMPLE_RATE = 48_000;
const SAMPLES_PER_US = SAMPLE_RATE / 1e6;
/** Samples of now may take this long to arrive; then silence takes their place. */
const LATE_US = 200_000;
/** With no microphone there is nothing to wait for. */
const SILENT_LATE_US = 50_000;
const TICK_MS = 40;
/** Samples this far from their place are put there at once: some were lost, or the first came late. */
const ASTRAY_SAMPLES = SAMPLE_RATE / 50;
/** In its first seconds it is still being learnt how late samples come: they are put right at once. */
const LEARNING_US = 4_000_000;
const ASTRAY_LEARNING_SAMPLES = SAMPLE_RATE / 200;
/** Otherwise by one sample in so many, when they are this far off: a sound card's crystal is off by up to 1 in 10,000. */
const NUDGE_EVERY = 480;
const NUDGE_FROM_SAMPLES = SAMPLE_RATE / 500;
/** Silence that is written at once: what is missing beyond it follows with the next tick. */
const SILENCE_AT_ONCE_SAMPLES = 4 * SAMPLE_RATE;
/**
 * The muxer gives no picture before it has sound, and a camera may not tell where its pictures begin before they come: after this long there
 * is silence, for as long as there can be pictures.
 */
const UNPLACED_US = 4_000_000;
/** From one attempt to get a microphone to the next. */
const RETRY_US = 2_000_000;
/** A microphone that says nothing for this long while its program runs hangs. */
const HANGS_US = 2_000_000;

/**
 * Captures in a process of its own and writes what comes to its place by the monotonic clock, silence where nothing comes: a microphone
 * that is pulled out costs its own sound and no picture, and one that comes back is heard again.
 */
export function feedSound({ audio, clock, sink, originMonoUs, onState }: SoundOptions): Sound {
  const frameBytes = 2 * audio.channels;
  const control = new AbortController();
  const startedUs = clock.monoUs();
  let originUs: number | undefined;
  /** Samples so far: the place of the next one. */
  let written = 0;
  let capture: Program | undefined;
  let told: SoundState | undefined;
  let openedUs = 0;
  let heardUs = 0;
  /** Samples to add or to leave out, as far as they are not yet a whole one. */
  let nudge = 0;
  // That its reader has ended is seen by whoever started it.
  sink.on('error', () => sink.destroy());

  const tell = (state: SoundState): void => {
    if (told?.live === state.live && told.reason === state.reason) return;
    told = state;
    onState(state);
  };
  const write = (samples: Buffer): void => {
    if (!sink.destroyed && !sink.writableEnded) sink.write(samples);
    written += samples.length / frameBytes;
  };
  /** Returns whether the place was reached. */
  const silenceTo = (place: number): boolean => {
    const target = Math.min(place, written + SILENCE_AT_ONCE_SAMPLES);
    for (let missing = target - written; missing > 0; missing = target - written)
      write(Buffer.alloc(Math.min(missing, SAMPLE_RATE) * frameBytes));
    return target === place;
  };

  /** Samples of which the last was captured at `capturedUs`. */
  const take = (samples: Buffer, capturedUs: number): void => {
    if (originUs === undefined) return;
    const count = samples.length / frameBytes;
    const place = Math.round((capturedUs - originUs) * SAMPLES_PER_US) - count;
    if (place + count < 0) return;
    const off = place - written;
    const astray = heardUs - openedUs < LEARNING_US ? ASTRAY_LEARNING_SAMPLES : ASTRAY_SAMPLES;
    if (!told?.live || Math.abs(off) > astray) {
      if (!silenceTo(place)) return;
      write(samples.subarray(Math.min(count, Math.max(0, written - place)) * frameBytes));
      nudge = 0;
    } else if (Math.abs(off) > NUDGE_FROM_SAMPLES) {
      nudge += count / NUDGE_EVERY;
      const whole = Math.min(Math.floor(nudge), count);
      nudge -= whole;
      if (off < 0) write(samples.subarray(whole * frameBytes));
      else write(Buffer.concat([samples, samples.subarray((count - whole) * frameBytes)]));
    } else write(samples);
    tell({ live: true, reason: null });
  };

  const captureOnce = async (): Promise<string> => {
    const program = await startProgram('ffmpeg', captureArguments(audio), { stdout: 'pipe' });
    capture = program;
    openedUs = clock.monoUs();
    heardUs = openedUs;
    if (control.signal.aborted) await program.stop('SIGKILL');
    const arrivals = arrivalClock(SAMPLE_RATE);
    let rest = Buffer.alloc(0);
    program.child.stdout?.on('data', (chunk: Buffer) => {
      const atUs = clock.monoUs();
      heardUs = atUs;
      const bytes = Buffer.concat([rest, chunk]);
      const whole = bytes.length - (bytes.length % frameBytes);
      rest = bytes.subarray(whole);
      if (whole > 0) take(bytes.subarray(0, whole), arrivals.arrived(whole / frameBytes, atUs));
    });
    return `no sound from ${audio.device}: ${describeEnd(await program.ended)}`;
  };

  const run = async (): Promise<void> => {
    while (!control.signal.aborted) {
      // Whatever it is: it costs the sound of now, and the next attempt may succeed.
      const reason = await captureOnce().catch((error: unknown) =>
        error instanceof TouchlineError
          ? error.message
          : `no sound from ${audio.device}: ${error instanceof Error ? error.message : String(error)}`,
      );
      capture = undefined;
      if (control.signal.aborted) return;
      tell({ live: false, reason });
      await clock.sleepUntil(clock.monoUs() + RETRY_US, 'next attempt to hear', control.signal);
    }
  };
  const running = run().catch((error: unknown) => {
    if (!control.signal.aborted) throw error;
  });
  originMonoUs.then(
    (monoUs) => {
      originUs = monoUs;
    },
    // Without a picture there is no sound; whoever waits for the picture says so.
    () => control.abort(),
  );
  const stopTicking = clock.every(TICK_MS, 'silence', () => {
    if (originUs === undefined) {
      const openUs = clock.monoUs() - startedUs;
      if (openUs > UNPLACED_US) silenceTo(Math.floor(openUs * SAMPLES_PER_US));
      return;
    }
    const silentUs = clock.monoUs() - heardUs;
    if (capture && silentUs > LATE_US && told?.live)
      tell({ live: false, reason: `no sound from ${audio.device}: it sends nothing` });
    if (capture && silentUs > HANGS_US) void capture.stop('SIGKILL');
    const lateUs = told?.live ? LATE_US : SILENT_LATE_US;
    silenceTo(Math.floor((clock.monoUs() - originUs - lateUs) * SAMPLES_PER_US));
  });

  return {
    async stop() {
      stopTicking();
      control.abort();
      await capture?.stop('SIGKILL');
      await running;
      sink.end();
    },
  };
}

function captureArguments({ device, channels }: AudioInput): string[] {
  return [
    ...['-hide_banner', '-nostats', '-loglevel', 'error', '-thread_queue_size', '512'],
    ...['-f', 'alsa', '-channels', String(channels), '-sample_rate', String(SAMPLE_RATE), '-i', device],
    ...['-ar', String(SAMPLE_RATE), '-ac', String(channels), '-flush_packets', '1', '-f', 's16le', 'pipe:1'],
  ];
}
