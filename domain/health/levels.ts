import type { HealthReading } from '#contracts/health.ts';

/** How a reading that was taken is. `unknown` and `not-fitted` are no levels of a value: they are the lack of one. */
export type Level = 'ok' | 'warn' | 'critical';

/** From which value on something is worth saying, and how far back it must go before that is taken back. */
export interface Threshold {
  /** `high`: bad from the threshold upwards; `low`: bad below it. */
  readonly bad: 'high' | 'low';
  readonly warn: number;
  readonly critical: number;
  /** In the reading's unit: a level is left only when the value is better than its threshold by this. */
  readonly hysteresis: number;
  readonly unit: string;
}

/**
 * The one table of levels: the gates of a start and the health service both read it. The free space is not in it for the gates, whose limits
 * are settings of `recording`; health takes them from there too.
 */
export const THRESHOLDS = {
  /** The Pi 5 begins to throttle at 80 °C and does so hard at 85 °C (Raspberry Pi documentation, "Frequency management and thermal control"). */
  temperature: { bad: 'high', warn: 75, critical: 80, hysteresis: 3, unit: '°C' },
  /** How bad what the firmware says is: 1 slower than it could be, 2 held down or short of power now. */
  throttling: { bad: 'high', warn: 1, critical: 2, hysteresis: 0, unit: 'severity' },
  /** Runnable tasks per processor over a minute; an encoder alone brings it to one. */
  load: { bad: 'high', warn: 2, critical: 4, hysteresis: 0.25, unit: 'tasks per processor' },
  /** Available memory (MemAvailable): below, the kernel begins to drop what is read again and again. */
  memory: { bad: 'low', warn: 10, critical: 5, hysteresis: 2, unit: '%' },
  /** Cameras that are present, of one. */
  camera: { bad: 'low', warn: 1, critical: 1, hysteresis: 0, unit: 'cameras' },
  /** Free share of the disk; settings `recording.free_warn_percent` and `free_block_percent` take the place of these defaults. */
  'disk-space': { bad: 'low', warn: 15, critical: 10, hysteresis: 1, unit: '%' },
  /** NVMe "percentage used": at 100 the maker's estimate of the disk's life is used up (NVM Express base specification, SMART log). */
  'disk-condition': { bad: 'high', warn: 80, critical: 100, hysteresis: 0, unit: '%' },
  /** A camera writes 35 Mbit/s at most (`recording`'s highest bitrate); a disk with less than half as much again in reserve cannot take a stall. */
  'disk-write': { bad: 'low', warn: 100, critical: 50, hysteresis: 10, unit: 'Mbit/s' },
  battery: { bad: 'low', warn: 15, critical: 10, hysteresis: 2, unit: '%' },
} as const satisfies Record<HealthReading, Threshold>;

const RANK = { ok: 0, warn: 1, critical: 2 } as const;

/**
 * The level of a value. It gets worse at once, and better only when the value is beyond the threshold by the hysteresis: a value that
 * trembles around a threshold gives one change, not many. `previous` is undefined when there was none, and for whoever decides without memory.
 */
export function levelOf(
  reading: HealthReading,
  previous: Level | undefined,
  value: number,
  threshold: Threshold = THRESHOLDS[reading],
): Level {
  const now = levelAt(value, threshold, 0);
  if (previous === undefined || RANK[now] >= RANK[previous]) return now;
  const held = levelAt(value, threshold, threshold.hysteresis);
  return RANK[held] < RANK[previous] ? held : previous;
}

/** The level when thresholds lie `margin` towards the good side. */
function levelAt(value: number, { bad, warn, critical }: Threshold, margin: number): Level {
  const reached = (limit: number): boolean =>
    bad === 'high' ? value >= limit - margin : value < limit + margin;
  return reached(critical) ? 'critical' : reached(warn) ? 'warn' : 'ok';
}
