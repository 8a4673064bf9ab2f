import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { PlayedSound, Speaker } from './speaker.ts';

/** A loudspeaker in memory, for tests: it can be pulled out, and be slow. */
export interface MemorySpeaker extends Speaker {
  /** What was heard, with the instant at which its first sample left. */
  readonly heard: readonly (PlayedSound & { readonly monoUs: number })[];
  setPresent(present: boolean): void;
  /** It sounds so much later than asked for, and says so. */
  setLate(us: number): void;
}

export function memorySpeaker(clock: Clock): MemorySpeaker {
  const heard: (PlayedSound & { monoUs: number })[] = [];
  let present = true;
  let lateUs = 0;
  let playing = false;
  return {
    heard,
    async play(sound, atMonoUs, signal) {
      if (playing) throw new TouchlineError('conflict', 'the loudspeaker is playing another sound');
      playing = true;
      try {
        await clock.sleepUntil(atMonoUs + lateUs, 'the sound', signal);
        if (!present) throw new TouchlineError('speaker_missing', 'the loudspeaker is not there');
        const monoUs = Math.max(atMonoUs + lateUs, clock.monoUs());
        heard.push({ ...sound, monoUs });
        const lengthUs = (sound.samples.length / sound.rateHz) * 1e6;
        await clock.sleepUntil(monoUs + lengthUs, 'the end of the sound', signal);
        return { monoUs, uncertaintyUs: 0 };
      } finally {
        playing = false;
      }
    },
    setPresent(value) {
      present = value;
    },
    setLate(us) {
      lateUs = us;
    },
  };
}
