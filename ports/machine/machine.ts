import type { Throttled } from '#domain/health/throttled.ts';

/** The computer itself: how busy it is, and whether it is held down. Each throws `sensor_failed` when it cannot be told. */
export interface Machine {
  /** What the firmware says of power and heat. */
  throttled(): Promise<Throttled>;
  /** Runnable tasks per processor, over the last minute. */
  load(): Promise<number>;
  memory(): Promise<{ readonly availableBytes: number; readonly totalBytes: number }>;
}
