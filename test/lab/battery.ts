import { join } from 'node:path';
import type { Course } from './batteries/course.ts';
import { bundle, shareWith } from './machine/bundle.ts';
import { boot } from './machine/guest.ts';
import { type LabResult, runLab } from './machine/lab.ts';

/**
 * The kernel's stand-ins for batteries: a gauge on an I2C bus (i2c-stub), a power supply (test_power) and a serial line (a pseudo-terminal), read by
 * the product's own drivers in health services with a real broker. What they publish is compared with what was set: values, jumps, garbage, batteries
 * that vanish and come back.
 */

const KINDS = ['i2c', 'sysfs', 'serial', 'serial-garbage'] as const;
/** The life of the slowest one takes half a minute, and a minute where the host is busy. */
const JOB_MS = 120_000;
/** Health lets go of a silent battery after ten seconds, and publishes once a second; the rest is room for a host that is busy. */
const UNKNOWN_SEC_MAX = 16;
/** Not before it is sure: a cable that is loose for a moment is nothing. */
const UNKNOWN_SEC_MIN = 5;
/** Four readings that agree, a second apart. */
const CONFIRMED_SEC_MAX = 20;
const KNOWN_SEC_MAX = 10;
/** It is looked for every 8 s at worst after ten seconds of absence, and its charge, another than before, has to be confirmed. */
const BACK_SEC_MAX = 30;

interface Said {
  readonly bus?: string;
  readonly failures?: string[];
  readonly battery?: string;
  readonly course?: Course | null;
  readonly broken?: string | null;
}

await runLab('battery', 1, async ({ rounds, seed, machine }): Promise<LabResult> => {
  const { folder } = machine;
  const share = await shareWith(join(folder, 'share-battery'), await bundle('battery.ts', folder));
  const failures: string[] = [];
  const guest = await boot(machine, {
    name: 'battery',
    job: 'battery.sh',
    share,
    variables: { SEED: String(seed), ROUNDS: String(rounds) },
  });
  try {
    await guest.done(JOB_MS * Math.max(1, rounds));
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await guest.cutPower();
  }
  const said = guest.lines.flatMap((line) => {
    const [, text] = /^LAB-SAY (\{.*\})$/.exec(line) ?? [];
    return text === undefined ? [] : [JSON.parse(text) as Said];
  });
  const conforms = said.find(({ bus }) => bus !== undefined);
  if (conforms?.bus !== 'conforms') failures.push(...(conforms?.failures ?? ['the I2C bus was not tried']));
  const courses = KINDS.flatMap((kind) => {
    const entry = said.find(({ battery }) => battery === kind);
    if (entry?.course) return [{ kind, course: entry.course }];
    failures.push(entry?.broken ?? `nothing was said of the battery ${kind}`);
    return [];
  });
  for (const { kind, course } of courses) {
    failures.push(...course.failures);
    const atMost = (what: string, sec: number, limit: number): void => {
      if (sec > limit) failures.push(`${kind}: ${what} took ${sec.toFixed(1)} s`);
    };
    atMost('a value', course.known_after_sec, KNOWN_SEC_MAX);
    atMost('a jump that stays', course.jump_confirmed_sec, CONFIRMED_SEC_MAX);
    atMost('letting go of a battery that is lost', course.unknown_after_sec, UNKNOWN_SEC_MAX);
    if (course.unknown_after_sec < UNKNOWN_SEC_MIN)
      failures.push(`${kind}: it was let go of after ${course.unknown_after_sec.toFixed(1)} s`);
    atMost('finding a battery that is back', course.back_after_sec, BACK_SEC_MAX);
  }
  const sum = (of: (course: Course) => number): number =>
    courses.reduce((total, { course }) => total + of(course), 0);
  const most = (of: (course: Course) => number): number =>
    Math.round(Math.max(0, ...courses.map(({ course }) => of(course))) * 100) / 100;
  return {
    figures: {
      batteries: courses.map(({ kind }) => kind),
      readings: sum(({ readings }) => readings),
      misread: sum(({ misread }) => misread),
      garbage_believed: sum((course) => course.garbage_believed),
      jumps_believed: sum((course) => course.jumps_believed),
      known_after_sec: most((course) => course.known_after_sec),
      jump_confirmed_sec: most((course) => course.jump_confirmed_sec),
      unknown_after_sec: most((course) => course.unknown_after_sec),
      back_after_sec: most((course) => course.back_after_sec),
      took_sec: Object.fromEntries(courses.map(({ kind, course }) => [kind, Math.round(course.took_sec)])),
    },
    failures,
  };
});
