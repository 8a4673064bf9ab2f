import type { Clock } from '#ports/clock/clock.ts';
import type { PlayedSound, Speaker } from './speaker.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
}

/** A loudspeaker, somebody who hears it, and the way to let time pass until something has settled. */
export interface SpeakerLab {
  readonly clock: Clock;
  readonly speaker: Speaker;
  until<T>(promise: Promise<T>): Promise<T>;
  /** Sounds that were heard, silence left out: when the first sample of each left, and what it was. */
  heard(): Promise<readonly { readonly monoUs: number; readonly samples: readonly number[] }[]>;
  unplug(): Promise<void>;
}

const RATE_HZ = 48_000;
/** A listener counts in samples, and 16 bits round. */
const SAMPLE_US = Math.ceil(1e6 / RATE_HZ);
const ROUNDING = 1 / 32_000;

/** Every loudspeaker, real or simulated, behaves like this. */
export async function speakerConformance(t: Assertions, lab: SpeakerLab): Promise<void> {
  const { clock, speaker, until } = lab;
  const sound: PlayedSound = {
    samples: Float32Array.from({ length: 4800 }, (_, n) => (n % 2 === 0 ? 0.5 : -0.25) - n / 50_000),
    rateHz: RATE_HZ,
  };
  const wantedUs = clock.monoUs() + 1_500_000;
  const first = speaker.play(sound, wantedUs);
  await t.rejects(speaker.play(sound, wantedUs), { code: 'conflict' }, 'one sound at a time');
  const played = await until(first);
  const [once, ...more] = await lab.heard();
  t.same(more, [], 'it sounds once');
  t.equal(once?.samples.length, sound.samples.length, 'all of it');
  t.ok(
    once?.samples.every((value, n) => Math.abs(value - (sound.samples[n] ?? 9)) < ROUNDING),
    'as it is',
  );
  const offUs = Math.abs((once?.monoUs ?? 0) - played.monoUs);
  t.ok(offUs <= played.uncertaintyUs + SAMPLE_US, `it left when it is said to have left: ${offUs} us`);
  t.ok(
    played.monoUs >= wantedUs - played.uncertaintyUs - SAMPLE_US,
    `not before it was wanted: ${played.monoUs - wantedUs} us`,
  );

  const pastUs = clock.monoUs() - 5_000_000;
  const late = await until(speaker.play(sound, pastUs));
  t.ok(late.monoUs > pastUs, 'what is late is not said to be in time');
  t.equal((await lab.heard()).length, 2, 'and sounds at once');

  const control = new AbortController();
  const reason = new Error('no longer wanted');
  const given = speaker
    .play(sound, clock.monoUs() + 60_000_000, control.signal)
    .catch((error: unknown) => error);
  control.abort(reason);
  t.equal(await given, reason, 'what is given up rejects with the reason');
  t.equal((await lab.heard()).length, 2, 'and is not heard');

  await lab.unplug();
  await t.rejects(
    until(speaker.play(sound, clock.monoUs())),
    { code: 'speaker_missing' },
    'a loudspeaker that is gone',
  );
}
