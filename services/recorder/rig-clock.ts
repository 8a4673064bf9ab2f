import type { CameraId } from '#contracts/ids.ts';
import type { ClockReading } from '#contracts/manifest.ts';
import { masterUs } from '#domain/recording/manifest.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';

/** Nothing is known: sync-agent has not spoken, or is gone. */
const UNKNOWN: ClockReading = {
  source: 'none',
  offset_ms: null,
  bound_ms: null,
  ci95_ms: null,
  confidence: 0,
  stratum: null,
  last_sync: null,
};

/** The rig's time as this node's sync-agent tells it. */
export interface RigClock {
  reading(): ClockReading;
  /** Monotonic microseconds of an instant in master time; without a known offset the local clock has to do. */
  monoOfMaster(masterUs: number): number;
  masterNowUs(): number;
}

export function watchRigClock(options: {
  bus: Bus;
  clock: Clock;
  cameraId: CameraId;
}): RigClock & { stop(): void } {
  const { bus, clock, cameraId } = options;
  let reading = UNKNOWN;
  const stop = bus.watchState('sync-agent', (node, seen) => {
    if (node === cameraId) reading = seen.online ? seen.state.clock : UNKNOWN;
  });
  const masterAt = (localUs: number): number => masterUs(localUs, reading) ?? localUs;
  return {
    reading: () => reading,
    monoOfMaster(instantUs) {
      const nowUs = clock.monoUs();
      return nowUs + (instantUs - masterAt(wallAt(clock, nowUs)));
    },
    masterNowUs: () => masterAt(clock.wallUs()),
    stop,
  };
}
