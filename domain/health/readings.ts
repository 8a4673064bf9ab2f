import type { RecorderState } from '#contracts/states.ts';
import { type GaugeReading, minutesOfSpace } from './battery-run.ts';
import type { Level } from './levels.ts';
import type { DiskWear } from './smart-log.ts';
import { type Throttled, throttlingSeverity } from './throttled.ts';

/** A reading that was taken: its value in the unit of the table of levels, and in words. */
export interface Taken {
  readonly value: number;
  readonly text: string;
  /** The level is this one or worse, whatever the value says. */
  readonly atLeast?: Level;
  /** The level is `ok`, whatever the value says. */
  readonly excused?: true;
}

export function temperatureReading(celsius: number): Taken {
  return { value: oneDigit(celsius), text: `the processor has ${celsius.toFixed(0)} °C` };
}

const THROTTLE_WORDS = {
  'under-voltage': 'the power supply is too weak',
  'frequency-capped': 'the processor may not run at its full speed',
  throttled: 'the processor is held down',
  'soft-temperature-limit': 'the processor is so warm that it is slowed down',
} as const;

export function throttlingReading(throttled: Throttled): Taken {
  const words = (reasons: Throttled['now']): string =>
    reasons.map((reason) => THROTTLE_WORDS[reason]).join(', ');
  const past = throttled.since_boot.filter((reason) => !throttled.now.includes(reason));
  const now = throttled.now.length > 0 ? words(throttled.now) : 'power and heat are as they should be';
  return {
    value: throttlingSeverity(throttled),
    // What has passed is worth knowing and no level: it could not be taken back before the next start.
    text: past.length > 0 ? `${now}; earlier since the start: ${words(past)}` : now,
  };
}

export function loadReading(perProcessor: number): Taken {
  return {
    value: Math.round(perProcessor * 100) / 100,
    text: `${perProcessor.toFixed(1)} tasks want each processor`,
  };
}

export function memoryReading(memory: { availableBytes: number; totalBytes: number }): Taken {
  const percent = (100 * memory.availableBytes) / memory.totalBytes;
  return {
    value: oneDigit(percent),
    text: `${(memory.availableBytes / 1e6).toFixed(0)} MB of memory are available (${percent.toFixed(0)} %)`,
  };
}

export function cameraReading({ present, reason, source }: RecorderState['camera']): Taken {
  return { value: present ? 1 : 0, text: present ? `${source} is there` : (reason ?? 'there is no camera') };
}

/** Undefined when the recorder does not know the space itself. */
export function diskSpaceReading(
  disk: RecorderState['disk'],
  bitrateMbps: number | undefined,
): Taken | undefined {
  const { free_bytes: free, total_bytes: total } = disk;
  if (!disk.present || free === null || total === null || total <= 0) return undefined;
  const percent = (100 * free) / total;
  const minutes = disk.minutes_left ?? minutesOfSpace(free, bitrateMbps);
  return {
    value: oneDigit(percent),
    text: `${(free / 1e9).toFixed(1)} GB free (${percent.toFixed(0)} %)${minutes === null ? '' : `, for ${minutes} minutes`}`,
  };
}

export function diskConditionReading(wear: DiskWear): Taken {
  const told = [
    ...wear.warnings,
    ...(wear.mediaErrors > 0
      ? [`it lost data ${wear.mediaErrors === 1 ? 'once' : `${wear.mediaErrors} times`}`]
      : []),
  ];
  const text = `${wear.usedPercent} % of the disk’s life are used, ${wear.sparePercent} % of its spare are left, it has ${wear.celsius} °C`;
  const atLeast = wear.warnings.length > 0 ? 'critical' : wear.mediaErrors > 0 ? 'warn' : undefined;
  return {
    value: wear.usedPercent,
    text: told.length > 0 ? `${told.join(', ')}; ${text}` : text,
    ...(atLeast ? { atLeast } : {}),
  };
}

export function diskWriteReading(mbps: number): Taken {
  return { value: Math.round(mbps), text: `the disk takes ${mbps.toFixed(0)} Mbit/s, written and synced` };
}

export function batteryReading(reading: GaugeReading, minutes: number | null): Taken {
  const volts = reading.volts === null ? '' : `, ${reading.volts.toFixed(2)} V`;
  const left = minutes === null ? '' : `, for about ${minutes} minutes`;
  return {
    value: oneDigit(reading.percent),
    text: `the battery has ${reading.percent.toFixed(0)} %${volts}${reading.charging ? ', charging' : left}`,
    // As at the gates of a start: one that charges gets better by itself.
    ...(reading.charging ? { excused: true } : {}),
  };
}

function oneDigit(value: number): number {
  return Math.round(value * 10) / 10;
}
