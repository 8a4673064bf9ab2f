import t from 'tap';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { watchRigClock } from '#services/recorder/rig-clock.ts';

const WALL_MINUS_MONO_US = 1_700_000_000_000_000;

t.test('a start is as exact when the machine gets between two readings of the clocks', async (t) => {
  let nowUs = 5_000_000;
  let reads = 0;
  // Another program gets the processor for 6 ms after the second reading.
  const pass = (): number => {
    nowUs += ++reads === 2 ? 6000 : 1;
    return nowUs;
  };
  const clock = { monoUs: pass, wallUs: () => pass() + WALL_MINUS_MONO_US } as unknown as Clock;
  const bus = { watchState: () => () => undefined } as unknown as Bus;
  const rig = watchRigClock({ bus, clock, cameraId: 'CAM_L' });
  const agreedUs = WALL_MINUS_MONO_US + 9_000_000;
  const offUs = rig.monoOfMaster(agreedUs) - 9_000_000;
  t.ok(Math.abs(offUs) < 10, `off by ${offUs} us`);
});
