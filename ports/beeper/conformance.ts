import type { Note } from '#domain/signals/tones.ts';
import type { Beeper } from './beeper.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
}

/** A beeper, and somebody who hears it. */
export interface BeeperLab {
  readonly beeper: Beeper;
  /** Whether it sounds right now. */
  sounds(): boolean;
  /** Lets time pass until something is so. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Lets time pass until something has settled. */
  settled<T>(promise: Promise<T>): Promise<T>;
  /** Takes the device away, while it is closed. */
  unplug(): void;
  /** What a device that is gone is called, at the latest when it should play. */
  readonly gone: string;
}

const TWO_NOTES: readonly Note[] = [
  { hz: 2000, ms: 150 },
  { hz: null, ms: 150 },
  { hz: 3000, ms: 150 },
];

/** Every beeper, real or simulated, behaves like this. */
export async function beeperConformance(t: Assertions, lab: BeeperLab): Promise<void> {
  const { beeper, sounds, until, settled } = lab;
  await beeper.open();
  t.equal(sounds(), false, 'silent at first');
  const playing = beeper.play(TWO_NOTES);
  await until('the first note', sounds);
  await until('the rest', () => !sounds());
  await until('the second note', sounds);
  await settled(playing);
  t.equal(sounds(), false, 'silent when the notes have ended');

  const control = new AbortController();
  const reason = new Error('no longer wanted');
  const given = beeper.play([{ hz: 2500, ms: 60_000 }], control.signal).catch((error: unknown) => error);
  await until('a long note', sounds);
  control.abort(reason);
  t.equal(await settled(given), reason, 'what is given up rejects with the reason');
  t.equal(sounds(), false, 'and is silent at once');

  await beeper.close();
  lab.unplug();
  await t.rejects(
    settled(beeper.open().then(() => beeper.play(TWO_NOTES))),
    { code: lab.gone },
    'a beeper that is gone has a name',
  );
  await beeper.close();
}
