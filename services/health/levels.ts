import type { HealthLevel, HealthReading, HealthState } from '#contracts/health.ts';
import { type Level, levelOf, THRESHOLDS, type Threshold } from '#domain/health/levels.ts';
import type { Taken } from '#domain/health/readings.ts';

/** What is known of one sensor: a reading, why there is none, that there is no such thing, or undefined while it is too early to say. */
export type Known = Taken | { readonly unknown: string } | 'not-fitted' | undefined;
export type Readings = HealthState['readings'];

export interface LevelChange {
  readonly reading: HealthReading;
  readonly from: HealthLevel;
  readonly to: HealthLevel;
  readonly text: string;
}

/** Gives every reading its level, and remembers it: what a level is depends on what it was. */
export function createLevels(thresholds: Partial<Record<HealthReading, Threshold>> = {}) {
  const levels = new Map<HealthReading, Level>();
  const told = new Map<HealthReading, HealthLevel>();

  const entry = (
    reading: HealthReading,
    known: Exclude<Known, undefined>,
  ): NonNullable<Readings[HealthReading]> => {
    const threshold = thresholds[reading] ?? THRESHOLDS[reading];
    const { unit } = threshold;
    if (known === 'not-fitted') return { level: 'not-fitted', value: null, unit, text: 'there is none' };
    if ('unknown' in known) return { level: 'unknown', value: null, unit, text: known.unknown };
    const byValue = levelOf(reading, levels.get(reading), known.value, threshold);
    const level = known.excused ? 'ok' : worse(byValue, known.atLeast ?? 'ok');
    levels.set(reading, known.excused ? 'ok' : byValue);
    return { level, value: known.value, unit, text: known.text };
  };

  return {
    /** The readings as they are published, and which of them have another level than before. */
    judge(all: Readonly<Record<HealthReading, Known>>): { readings: Readings; changes: LevelChange[] } {
      const readings: Readings = {};
      const changes: LevelChange[] = [];
      for (const [name, known] of Object.entries(all) as [HealthReading, Known][]) {
        if (known === undefined) continue;
        const now = entry(name, known);
        readings[name] = now;
        const before = told.get(name);
        told.set(name, now.level);
        if (before !== undefined && before !== now.level)
          changes.push({ reading: name, from: before, to: now.level, text: now.text });
      }
      return { readings, changes };
    },
  };
}

const RANK = { ok: 0, warn: 1, critical: 2 } as const;

function worse(one: Level, other: Level): Level {
  return RANK[one] >= RANK[other] ? one : other;
}
