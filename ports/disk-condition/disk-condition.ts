import type { DiskWear } from '#domain/health/smart-log.ts';

/** What the recording disk says of its own wear. */
export interface DiskCondition {
  /** Throws `program_missing`, and `sensor_failed` for a disk that is not NVMe or does not answer. */
  read(signal: AbortSignal): Promise<DiskWear>;
}
