import type { ClockReading, Gate } from '#contracts/manifest.ts';
import { levelOf } from '../health/levels.ts';

/** What the gates of a start look at. `null` is a reading that could not be taken. */
export interface GateReadings {
  readonly camera: { readonly present: boolean; readonly reason: string | null };
  readonly disk: {
    readonly present: boolean;
    readonly reason: string | null;
    readonly freeBytes: number | null;
    readonly totalBytes: number | null;
  };
  readonly clock: Pick<ClockReading, 'bound_ms'> | null;
  readonly battery: Sensed<{ readonly percent: number; readonly charging: boolean }>;
  readonly temperature: Sensed<{ readonly celsius: number }>;
  readonly bitrateMbps: number;
  readonly update: {
    /** Who applies one now, and how; null when nobody does. */
    readonly applying: string | null;
    /** Why an update could begin during the recording. */
    readonly problem: string | null;
  };
}

/** `not-fitted`: the configuration says that there is no such sensor, so nothing can be known. */
export type Sensed<T> = T | 'not-fitted' | null;

export interface GateLimits {
  readonly expectedDurationMin: number;
  readonly freeWarnPercent: number;
  readonly freeBlockPercent: number;
}

/** A clock that may be wrong by more than this is worth a refusal. */
const CLOCK_BOUND_MS = 5;

type Finding = Pick<Gate, 'level' | 'reason'>;
type Check = (readings: GateReadings, limits: GateLimits) => Finding | undefined;

const hard = (reason: string): Finding => ({ level: 'hard', reason });
const soft = (reason: string): Finding => ({ level: 'soft', reason });
const note = (reason: string): Finding => ({ level: 'note', reason });

/** All gates, in the order people read them. `update` has a look of its own on the LED. */
const GATES: Readonly<Record<string, Check>> = {
  camera: ({ camera }) => (camera.present ? undefined : hard(camera.reason ?? 'there is no camera')),

  disk: ({ disk }) => (disk.present ? undefined : hard(disk.reason ?? 'the recording disk is not there')),

  'free-space': ({ disk, bitrateMbps }, limits) => {
    if (!disk.present) return undefined;
    if (disk.freeBytes === null || disk.totalBytes === null) return soft('the free space is unknown');
    const neededBytes = (bitrateMbps * 1e6 * limits.expectedDurationMin * 60) / 8;
    const percent = (100 * disk.freeBytes) / disk.totalBytes;
    const free = `${(disk.freeBytes / 1e9).toFixed(1)} GB free (${percent.toFixed(0)} %)`;
    if (disk.freeBytes < neededBytes)
      return hard(
        `${free}, but ${limits.expectedDurationMin} minutes need ${(neededBytes / 1e9).toFixed(1)} GB`,
      );
    if (percent < limits.freeBlockPercent) return soft(`${free}, below ${limits.freeBlockPercent} %`);
    if (percent < limits.freeWarnPercent) return note(`${free}, below ${limits.freeWarnPercent} %`);
    return undefined;
  },

  clock: ({ clock }) => {
    if (!clock || clock.bound_ms === null) return soft('how far the clock is off is unknown');
    if (clock.bound_ms <= CLOCK_BOUND_MS) return undefined;
    return soft(`the clock may be off by ${clock.bound_ms.toFixed(1)} ms`);
  },

  battery: ({ battery }) => {
    if (battery === 'not-fitted') return note('there is no battery that could be watched');
    if (battery === null) return soft('the charge of the battery is unknown');
    const level = battery.charging ? 'ok' : levelOf('battery', undefined, battery.percent);
    if (level === 'ok') return undefined;
    const left = `the battery has ${battery.percent.toFixed(0)} %`;
    return level === 'critical' ? soft(left) : note(left);
  },

  temperature: ({ temperature }) => {
    if (temperature === 'not-fitted') return undefined;
    if (temperature === null) return soft('the temperature is unknown');
    const level = levelOf('temperature', undefined, temperature.celsius);
    if (level === 'ok') return undefined;
    const hot = `the processor has ${temperature.celsius.toFixed(0)} °C`;
    return level === 'critical' ? soft(hot) : note(hot);
  },

  update: ({ update }) =>
    update.applying === null ? undefined : hard(`an update is being applied (${update.applying})`),

  // Losing a match would be worse than what an update in the middle of it does.
  'update-lock': ({ update }) => (update.problem === null ? undefined : note(update.problem)),
};

/**
 * Every reason against a start: `hard` ones refuse it, `soft` ones refuse it unless overridden, a `note` only says something.
 */
export function startGates(readings: GateReadings, limits: GateLimits): Gate[] {
  return Object.entries(GATES).flatMap(([gate, check]) => {
    const finding = check(readings, limits);
    return finding ? [{ gate, ...finding }] : [];
  });
}

/** Whether these gates let a start through. */
export function gatesOpen(gates: readonly Gate[], override: boolean): boolean {
  return gates.every((gate) => gate.level === 'note' || (gate.level === 'soft' && override));
}

/** The gates that were in the way of a start that was overridden. */
export function overridable(gates: readonly Gate[]): Gate[] {
  return gates.filter((gate) => gate.level === 'soft');
}
