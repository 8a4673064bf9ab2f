import type { ClockReading, Gate } from '#contracts/manifest.ts';

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
  readonly bitrateMbps: number;
}

export interface GateLimits {
  readonly expectedDurationMin: number;
  readonly freeWarnPercent: number;
  readonly freeBlockPercent: number;
}

/** A clock that may be wrong by more than this is worth a refusal. */
const CLOCK_BOUND_MS = 5;

/**
 * Every reason against a start: `hard` ones refuse it, `soft` ones refuse it unless overridden, a `note` only says something.
 */
export function startGates(readings: GateReadings, limits: GateLimits): Gate[] {
  const { camera, disk, clock } = readings;
  const gates: Gate[] = [];
  const add = (gate: string, level: Gate['level'], reason: string): void =>
    void gates.push({ gate, level, reason });

  if (!camera.present) add('camera', 'hard', camera.reason ?? 'there is no camera');
  if (!disk.present) add('disk', 'hard', disk.reason ?? 'the recording disk is not there');
  else if (disk.freeBytes === null || disk.totalBytes === null)
    add('free-space', 'soft', 'the free space is unknown');
  else {
    const neededBytes = (readings.bitrateMbps * 1e6 * limits.expectedDurationMin * 60) / 8;
    const percent = (100 * disk.freeBytes) / disk.totalBytes;
    const free = `${(disk.freeBytes / 1e9).toFixed(1)} GB free (${percent.toFixed(0)} %)`;
    if (disk.freeBytes < neededBytes)
      add(
        'free-space',
        'hard',
        `${free}, but ${limits.expectedDurationMin} minutes need ${(neededBytes / 1e9).toFixed(1)} GB`,
      );
    else if (percent < limits.freeBlockPercent)
      add('free-space', 'soft', `${free}, below ${limits.freeBlockPercent} %`);
    else if (percent < limits.freeWarnPercent)
      add('free-space', 'note', `${free}, below ${limits.freeWarnPercent} %`);
  }
  if (!clock || clock.bound_ms === null) add('clock', 'soft', 'how far the clock is off is unknown');
  else if (clock.bound_ms > CLOCK_BOUND_MS)
    add('clock', 'soft', `the clock may be off by ${clock.bound_ms.toFixed(1)} ms`);
  return gates;
}

/** Whether these gates let a start through. */
export function gatesOpen(gates: readonly Gate[], override: boolean): boolean {
  return gates.every((gate) => gate.level === 'note' || (gate.level === 'soft' && override));
}
