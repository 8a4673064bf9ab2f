import { z } from 'zod';

/** What an NVMe disk says of itself. */
export interface DiskWear {
  /** Share of the life that the maker expects, used up; may be beyond 100. */
  readonly usedPercent: number;
  readonly sparePercent: number;
  /** What the disk itself calls critical, in words. */
  readonly warnings: readonly string[];
  readonly mediaErrors: number;
  readonly celsius: number;
}

/** Counters of 128 bits come as numbers or, from some versions of nvme-cli, as text. */
const counter = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]);

/** `nvme smart-log -o json`, nvme-cli 2: one flat object; `critical_warning` is one with a `value` when it is told in detail. */
const SmartLog = z.object({
  critical_warning: z.union([
    z.int().min(0),
    z.object({ value: z.int().min(0) }).transform(({ value }) => value),
  ]),
  /** Kelvin. */
  temperature: z.number(),
  avail_spare: z.number().min(0).max(100),
  percent_used: z.number().min(0).max(255),
  media_errors: counter,
});

/** NVM Express base specification, SMART / Health Information log, "Critical Warning", from bit 0 on. */
const CRITICAL_WARNINGS = [
  'its spare is used up',
  'it is too hot or too cold',
  'it is no longer reliable',
  'it can only be read',
  'its memory backup failed',
  'its persistent memory can only be read',
];
const ZERO_CELSIUS_KELVIN = 273;

/** Undefined when it is not what `nvme` prints. */
export function parseSmartLog(text: string): DiskWear | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = SmartLog.safeParse(value);
  if (!data) return undefined;
  return {
    usedPercent: data.percent_used,
    sparePercent: data.avail_spare,
    warnings: CRITICAL_WARNINGS.filter((_, bit) => ((data.critical_warning >> bit) & 1) === 1),
    mediaErrors: data.media_errors,
    celsius: data.temperature - ZERO_CELSIUS_KELVIN,
  };
}
