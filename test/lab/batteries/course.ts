import { setTimeout as sleep } from 'node:timers/promises';
import type { HealthState } from '#contracts/health.ts';
import { between } from '../machine/random.ts';
import type { Hand } from './hands.ts';

/** What came of one battery. */
export interface Course {
  /** States with a charge in them. */
  readings: number;
  /** … with a charge that nobody had set. */
  misread: number;
  /** … with the charge of a jump that lasted two seconds. */
  jumps_believed: number;
  /** … with a charge that came from garbage. */
  garbage_believed: number;
  /** From the set value to the state that has it, at worst. */
  known_after_sec: number;
  /** A change of charge that stays: when it is believed. */
  jump_confirmed_sec: number;
  /** From the moment it is lost: when nothing is claimed any more. */
  unknown_after_sec: number;
  back_after_sec: number;
  took_sec: number;
  failures: string[];
}

const POLL_MS = 20;
const PATIENCE_MS = 40_000;
const GLITCH_MS = 2000;

/** Leads one battery through a life, and compares what is published of it with what was set. */
export async function leadThrough(options: {
  readonly name: string;
  readonly hand: Hand;
  readonly rounds: number;
  readonly random: () => number;
  readonly onState: (listener: (state: HealthState) => void) => void;
}): Promise<Course> {
  const { name, hand, random } = options;
  const course: Course = {
    ...{ readings: 0, misread: 0, jumps_believed: 0, garbage_believed: 0, known_after_sec: 0 },
    ...{ jump_confirmed_sec: 0, unknown_after_sec: 0, back_after_sec: 0 },
    took_sec: 0,
    failures: [],
  };
  const begun = performance.now();
  let percent = 80;
  /** What may be published now: what was set, and what was set before until it has come through. */
  let allowed = [percent];
  let phase: 'steady' | 'jump' | 'garbage' = 'steady';
  let last: HealthState | undefined;
  options.onState((state) => {
    last = state;
    const { battery } = state;
    if (!battery) return;
    course.readings++;
    if (allowed.some((each) => Math.abs(each - battery.percent) <= hand.coarsePercent)) return;
    if (phase === 'jump') course.jumps_believed++;
    else if (phase === 'garbage') course.garbage_believed++;
    else course.misread++;
    course.failures.push(
      `${name}: ${battery.percent} % was published (${phase}), and ${allowed.join(' or ')} % set`,
    );
  });

  const seconds = async (what: string, condition: (state: HealthState) => boolean): Promise<number> => {
    const begun = performance.now();
    while (!last || !condition(last)) {
      if (performance.now() - begun > PATIENCE_MS)
        throw new Error(`${name}: waited ${PATIENCE_MS / 1000} s for ${what}; last ${JSON.stringify(last)}`);
      await sleep(POLL_MS);
    }
    return (performance.now() - begun) / 1000;
  };
  const says = (value: number) => (state: HealthState) =>
    Math.abs((state.battery?.percent ?? -1) - value) <= hand.coarsePercent;
  const unknown = (state: HealthState): boolean =>
    state.battery === null && state.readings.battery?.level === 'unknown' && state.faults.length > 0;
  const set = async (value: number): Promise<number> => {
    allowed = [percent, value];
    percent = value;
    await hand.set(value);
    const took = await seconds(`${value} %`, says(value));
    allowed = [value];
    return took;
  };

  await hand.set(percent);
  await seconds('the first reading', says(percent));
  for (let round = 0; round < options.rounds; round++) {
    phase = 'steady';
    // Within what a gauge can do from one reading to the next.
    for (let n = 0; n < 3; n++) {
      const value = Math.round(percent - between(random, 1, 4));
      course.known_after_sec = Math.max(course.known_after_sec, await set(value));
    }
    phase = 'jump';
    await hand.set(Math.round(between(random, 5, 30)));
    await sleep(GLITCH_MS);
    await hand.set(percent);
    await sleep(GLITCH_MS);
    phase = 'steady';
    course.jump_confirmed_sec = Math.max(
      course.jump_confirmed_sec,
      await set(Math.round(between(random, 92, 99))),
    );
    phase = hand.lost === 'garbage' ? 'garbage' : 'steady';
    await hand.lose();
    course.unknown_after_sec = Math.max(
      course.unknown_after_sec,
      await seconds('a battery that is lost to be unknown', unknown),
    );
    phase = 'steady';
    percent = 66;
    allowed = [percent];
    await hand.comeBack(percent);
    course.back_after_sec = Math.max(
      course.back_after_sec,
      await seconds('a battery that is back', says(percent)),
    );
  }
  course.took_sec = (performance.now() - begun) / 1000;
  return course;
}
