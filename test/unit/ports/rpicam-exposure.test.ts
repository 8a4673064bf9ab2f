import t from 'tap';
import { exposureOf } from '#ports/camera/rpicam.ts';
import { wallAt } from '#ports/clock/clock.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';

t.test('the first exposure is what the camera tells, unless that cannot be', async (t) => {
  const clock = manualClock();
  const opened = { monoUs: clock.monoUs(), bootWallUs: wallAt(clock, 0) };
  await clock.advance(600);
  const exposed = { monoUs: clock.monoUs(), wallUs: clock.wallUs() };
  await clock.advance(80);
  const arrivedUs = clock.monoUs();
  const told = (timeUs: number): number => exposureOf(timeUs, opened, clock);

  t.equal(told(exposed.wallUs), exposed.monoUs, 'by the wall clock');
  t.equal(told(exposed.monoUs), exposed.monoUs, 'by the monotonic clock');
  t.equal(told(exposed.wallUs - 3600e6), arrivedUs, 'before the camera was opened');
  t.equal(told(exposed.wallUs + 3600e6), arrivedUs, 'in the future');
  for (const stepMs of [-3_600_000, -300, 300, 3_600_000]) {
    clock.stepWall(stepMs);
    t.equal(told(exposed.wallUs), arrivedUs, `the wall clock was set by ${stepMs} ms before it told`);
    t.equal(told(exposed.wallUs + stepMs * 1000), arrivedUs, 'nor is it known which clock it told');
    t.equal(told(exposed.monoUs), exposed.monoUs, 'which the monotonic clock does not mind');
    clock.stepWall(-stepMs);
  }
});
