import type { CameraId } from '#contracts/ids.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Vitals } from '#ports/vitals/vitals.ts';
import type { Bus } from '#runtime/bus/bus.ts';

/** A charge that health read longer ago is unknown: it reads once a second, and lets go of a silent gauge after ten. */
const FRESH_US = 15_000_000;

/**
 * Vitals whose battery is the one that this node's health service reads: a serial line or an I2C gauge has one reader, and what of a reading is believed is
 * decided once. Unknown while health is not there, or knows nothing.
 */
export function batteryFromHealth(options: {
  readonly vitals: Vitals;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly cameraId: CameraId;
}): Vitals & { start(): () => void } {
  const { vitals, bus, clock, cameraId } = options;
  let last: { readonly percent: number; readonly charging: boolean; readonly readMonoUs: number } | undefined;
  return {
    ...vitals,
    async battery() {
      if (!last || clock.monoUs() - last.readMonoUs > FRESH_US) return null;
      return { percent: last.percent, charging: last.charging };
    },
    start: () =>
      bus.watchState('health', (from, seen) => {
        if (from !== cameraId) return;
        const battery = seen.online ? seen.state.battery : null;
        if (!battery) {
          last = undefined;
          return;
        }
        // What the broker kept of an earlier run may be hours old. A wall clock that was set in between costs one message.
        const ageUs = clock.wallUs() - fromWireTime(battery.read_at);
        if (Math.abs(ageUs) > FRESH_US) return;
        // Whether it charges only excuses a low charge: what is not known excuses nothing.
        const { percent, charging } = battery;
        last = { percent, charging: charging === true, readMonoUs: clock.monoUs() - Math.max(0, ageUs) };
      }),
  };
}
