import type { CameraId } from '#contracts/ids.ts';
import type { ClockReading } from '#contracts/manifest.ts';
import type { RigTime } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import { growthMs, masterOfMono, monoOfMaster, type RigTimeLine } from '#domain/sync/rig-time-line.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';

/** Nothing is known: sync-agent has never told a rig time of this kernel. */
const UNKNOWN: ClockReading = {
  source: 'none',
  offset_ms: null,
  bound_ms: null,
  ci95_ms: null,
  confidence: 0,
  stratum: null,
  last_sync: null,
};

/**
 * The rig's time as this node's sync-agent tells it. It rests on the monotonic clock alone, so that a step of the wall clock moves nothing,
 * and it goes on when sync-agent dies, with a bound that grows.
 */
export interface RigClock {
  /** What is known now; the offset is that of the wall clock as it stands now. */
  reading(): ClockReading;
  /** Monotonic microseconds of an instant in master time; without a known mapping the local wall clock has to do. */
  monoOfMaster(masterUs: number): number;
  /** Master time at a monotonic instant; undefined while nothing is known. */
  masterOfMono(monoUs: number): number | undefined;
  masterNowUs(): number;
}

export function watchRigClock(options: {
  bus: Bus;
  clock: Clock;
  cameraId: CameraId;
}): RigClock & { stop(): void } {
  const { bus, clock, cameraId } = options;
  let known: { readonly line: RigTimeLine; readonly told: ClockReading; readonly from: RigTime } | undefined;

  const stop = bus.watchState('sync-agent', (node, seen) => {
    if (node !== cameraId || !seen.online) return;
    const { rig_time: from, clock: told } = seen.state;
    // A monotonic count of another kernel means nothing here: a state from before a reboot.
    if (from === null || from.boot_id !== clock.bootId) return;
    known = {
      line: { monoUs: from.mono_us, masterUs: fromWireTime(from.master), ratePpm: from.rate_ppm },
      told,
      from,
    };
  });

  const localOfMaster = (monoUs: number): number => wallAt(clock, monoUs);
  return {
    reading() {
      if (known === undefined) return UNKNOWN;
      const { line, told, from } = known;
      const monoUs = clock.monoUs();
      const grownMs = growthMs(told.source, monoUs - line.monoUs);
      const grown = (ms: number | null): number | null => (ms === null ? null : ms + grownMs);
      return {
        ...told,
        offset_ms: (wallAt(clock, monoUs) - masterOfMono(line, monoUs)) / 1000,
        bound_ms: grown(from.bound_ms),
        ci95_ms: grown(from.ci95_ms),
      };
    },
    monoOfMaster(instantUs) {
      if (known !== undefined) return monoOfMaster(known.line, instantUs);
      const nowUs = clock.monoUs();
      return nowUs + (instantUs - localOfMaster(nowUs));
    },
    masterOfMono: (monoUs) => (known === undefined ? undefined : masterOfMono(known.line, monoUs)),
    masterNowUs() {
      const nowUs = clock.monoUs();
      return known === undefined ? localOfMaster(nowUs) : masterOfMono(known.line, nowUs);
    },
    stop,
  };
}
