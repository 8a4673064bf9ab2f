import t from 'tap';
import type { RigTime, SyncState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { MAX_RATE_PPM } from '#domain/sync/estimator.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import type { Bus, SeenState } from '#runtime/bus/bus.ts';
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

t.test('rig time rests on the last mapping of this kernel, and its bound grows', async (t) => {
  const clock = manualClock();
  let tell: (node: string, seen: SeenState<'sync-agent'>) => void = () => undefined;
  const bus = {
    watchState: (_service: string, listener: typeof tell) => {
      tell = listener;
      return () => undefined;
    },
  } as unknown as Bus;
  const rig = watchRigClock({ bus, clock, cameraId: 'CAM_L' });
  const masterUs = 1_710_600_000_000_000;
  const says = (change: Partial<SyncState>): SeenState<'sync-agent'> => ({
    online: true,
    state: {
      clock: {
        source: 'exchange',
        offset_ms: 1,
        bound_ms: 0.5,
        ci95_ms: 0.1,
        confidence: 1,
        stratum: 9,
        last_sync: toWireTime(masterUs),
      },
      rig_time: {
        boot_id: clock.bootId,
        mono_us: clock.monoUs(),
        master: toWireTime(masterUs),
        rate_ppm: 20,
        bound_ms: 0.5,
        ci95_ms: 0.1,
      },
      steps: [{ at: toWireTime(masterUs), mono_us: 500, step_ms: 7 }],
      ...change,
    } as SyncState,
  });
  const other = says({}) as SeenState<'sync-agent'> & { online: true };
  tell('CAM_R', other);
  tell('CAM_L', says({ rig_time: { ...(other.state.rig_time as RigTime), boot_id: 'before the reboot' } }));
  t.match(rig.reading(), { source: 'none', bound_ms: null }, 'other nodes and other kernels do not count');
  t.equal(rig.masterOfMono(clock.monoUs()), undefined);

  const atUs = clock.monoUs();
  tell('CAM_L', says({}));
  t.equal(rig.masterOfMono(atUs + 100_000_000), masterUs + 100_000_000 + 2000, '20 ppm of 100 s are 2 ms');
  t.equal(rig.monoOfMaster(masterUs + 100_002_000), atUs + 100_000_000);
  t.equal(rig.masterNowUs(), masterUs);

  tell('CAM_L', { online: false, at: toWireTime(masterUs) });
  clock.stepWall(5000);
  await clock.advance(10_000);
  t.equal(
    rig.masterNowUs(),
    masterUs + 10_000_200,
    'it goes on without sync-agent, whatever the wall clock does',
  );
  const { source, bound_ms, ci95_ms, offset_ms } = rig.reading();
  t.equal(source, 'exchange');
  t.equal(bound_ms, 0.5 + (10 * MAX_RATE_PPM) / 1000);
  t.equal(ci95_ms, 0.1 + (10 * MAX_RATE_PPM) / 1000);
  t.equal(offset_ms, (clock.wallUs() - rig.masterNowUs()) / 1000, 'of the wall clock as it is now');
  tell('CAM_L', says({ rig_time: null }));
  t.equal(rig.reading().source, 'exchange', 'a new run that knows nothing yet takes nothing away');
});
