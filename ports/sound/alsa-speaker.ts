import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, type Program, type ProgramEnd, startProgram } from '#ports/program/program.ts';
import { type PlaybackStatus, playbackOf } from './alsa-status.ts';
import type { Played, PlayedSound, Speaker } from './speaker.ts';

export interface AlsaSpeakerOptions {
  /** ALSA's name of it, such as `default` or `plughw:1`. */
  readonly device: string;
  readonly clock: Clock;
  readonly aplay?: string;
  /** Where the kernel tells about its sound cards. */
  readonly procRoot?: string;
}

/** The device is opened so long before: it has to be found, and to have run for a while. */
const LEAD_US = 1_000_000;
/** ALSA plays out of a buffer of this length, which it wants full before it begins. */
const BUFFER_US = 100_000;
const PERIOD_US = 25_000;
/** What is written is at most so far ahead of what is heard; the sound must be placed before. */
const AHEAD_US = 250_000;
const TICK_US = 10_000;
/** So much silence starts the device. */
const PRIME_US = BUFFER_US + 2 * PERIOD_US;
/** Without the kernel's word, sound leaves at some time after it is written. */
const UNTOLD_US = 300_000;

/**
 * A loudspeaker of ALSA, by its program `aplay`. Programs cannot start a sound at an instant; so silence is played before it, and the kernel
 * tells when its first sample left. From then on the samples are the clock: the sound is put at the sample that is due at the
 * instant, and no scheduling moves it.
 */
export function alsaSpeaker(options: AlsaSpeakerOptions): Speaker {
  const { device, clock, aplay = 'aplay', procRoot = '/proc/asound' } = options;
  let playing = false;
  return {
    async play(sound, atMonoUs, signal) {
      if (playing) throw new TouchlineError('conflict', `${device} is playing another sound`);
      playing = true;
      try {
        await clock.sleepUntil(atMonoUs - LEAD_US, 'the sound', signal);
        const program = await startProgram(
          aplay,
          [
            ...['-q', '-D', device, '-t', 'raw', '-f', 'S16_LE', '-c', '1', '-r', String(sound.rateHz)],
            ...['-B', String(BUFFER_US), '-F', String(PERIOD_US)],
          ],
          { stdin: 'pipe' },
        );
        try {
          return await feed({ program, clock, procRoot, device }, sound, atMonoUs, signal);
        } finally {
          await program.stop('SIGKILL');
        }
      } finally {
        playing = false;
      }
    },
  };
}

interface Feeding {
  readonly program: Program;
  readonly clock: Clock;
  readonly procRoot: string;
  readonly device: string;
}

async function feed(
  { program, clock, procRoot, device }: Feeding,
  { samples, rateHz }: PlayedSound,
  atMonoUs: number,
  signal: AbortSignal | undefined,
): Promise<Played> {
  const { stdin, pid = 0 } = program.child;
  if (!stdin) throw new Error('aplay was started without stdin');
  let end: ProgramEnd | undefined;
  void program.ended.then((how) => {
    end = how;
  });
  let status: PlaybackStatus | undefined;
  let written = 0;
  /** Sample of the stream at which the sound begins. */
  let begin: number | undefined;

  const write = (count: number): void => {
    const bytes = Buffer.alloc(2 * Math.max(0, count));
    for (let n = 0; n < count; n++) {
      const value = begin === undefined ? 0 : (samples[written + n - begin] ?? 0);
      bytes.writeInt16LE(Math.round(Math.max(-1, Math.min(1, value)) * 32_767), 2 * n);
    }
    written += Math.max(0, count);
    stdin.write(bytes);
  };

  let writtenUs = clock.monoUs();
  write(Math.round((PRIME_US * rateHz) / 1e6));
  while (end === undefined && (begin === undefined || written < begin + samples.length)) {
    signal?.throwIfAborted();
    status ??= await playbackOf(procRoot, pid);
    const nowUs = clock.monoUs();
    if (status) {
      const aheadUs = nowUs + AHEAD_US;
      const dueAt = (us: number): number => ((us - (status?.startedUs ?? 0)) * rateHz) / 1e6;
      // Nothing may be written beyond the place of the sound before that is fixed.
      if (begin === undefined && aheadUs + TICK_US >= atMonoUs)
        begin = Math.max(written, Math.round(dueAt(atMonoUs)));
      write(Math.floor(dueAt(aheadUs)) - written);
    } else if (nowUs >= atMonoUs) {
      begin = written;
      writtenUs = nowUs;
      write(samples.length);
    }
    await clock.sleepUntil(clock.monoUs() + TICK_US, 'room for more sound', signal);
  }
  // It was all written before it is all heard: a device that started late has started by now.
  status ??= await playbackOf(procRoot, pid);
  const laterUs = clock.monoUs();
  const later = end === undefined ? await playbackOf(procRoot, pid) : undefined;
  stdin.end();
  const onAbort = (): void => void program.stop('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  end = await program.ended;
  signal?.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  if (end.code !== 0) throw failure(device, end);
  return believed({
    ...{ status, later, laterUs, writtenUs, rateHz },
    begin: begin ?? written,
    interrupted: end.stderr.some((line) => line.includes('underrun')),
  });
}

/** When the sound left, from when the playback began and how far it was later. */
function believed(of: {
  status: PlaybackStatus | undefined;
  later: PlaybackStatus | undefined;
  laterUs: number;
  writtenUs: number;
  rateHz: number;
  begin: number;
  interrupted: boolean;
}): Played {
  const { status, later, begin, rateHz } = of;
  const afterUs = (begin * 1e6) / rateHz;
  if (!status || !later || of.interrupted)
    return {
      monoUs: Math.round(status ? status.startedUs + afterUs : of.writtenUs),
      uncertaintyUs: UNTOLD_US,
    };
  // Where its position was later tells the same once more: how far the two are apart is what is not known. Where the kernel does not
  // say when that was (it does so for programs that ask for it), the position may be a period old.
  const toldUs = later.readUs > 0 ? later.readUs : of.laterUs;
  const apartUs = Math.abs(toldUs - (later.position * 1e6) / later.rateHz - status.startedUs);
  const sampleUs = 1e6 / rateHz;
  return {
    monoUs: Math.round(status.startedUs + afterUs),
    uncertaintyUs: Math.ceil(later.readUs > 0 ? apartUs + sampleUs : Math.max(PERIOD_US, apartUs)),
  };
}

function failure(device: string, end: ProgramEnd): TouchlineError {
  const talk = end.stderr.join('\n');
  const missing = /No such (file or directory|device)|Unknown PCM|cannot find card/i.test(talk);
  return missing
    ? new TouchlineError('speaker_missing', `there is no loudspeaker ${device}: ${describeEnd(end)}`)
    : new TouchlineError('speaker_failed', `${device} did not play: ${describeEnd(end)}`);
}
