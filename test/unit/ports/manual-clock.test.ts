import t from 'tap';
import { clockConformance } from '#ports/clock/conformance.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';

t.test('a clock moved by hand behaves like a clock', async (t) => {
  const clock = manualClock();
  await clockConformance(t, { clock, pass: (ms) => clock.advance(ms) });
});

t.test('moved far, everything on the way happens at its time', async (t) => {
  const clock = manualClock();
  const startUs = clock.monoUs();
  const seen: string[] = [];
  const note = (name: string): void => void seen.push(`${name} at ${(clock.monoUs() - startUs) / 1000}`);
  clock.every(400, 'tick', () => note('tick'));
  void clock.sleepUntil(startUs + 500_000, 'a').then(async () => {
    note('a');
    await clock.sleepUntil(clock.monoUs() + 250_000, 'b');
    note('b');
  });
  await clock.advance(1000);
  t.same(seen, ['tick at 400', 'a at 500', 'b at 750', 'tick at 800']);
  t.equal(clock.monoUs() - startUs, 1_000_000);
});

t.test('the wall clock can be stepped without the other', async (t) => {
  const clock = manualClock(1_710_511_200_000_000);
  t.equal(clock.wallUs(), 1_710_511_200_000_000);
  const monoUs = clock.monoUs();
  clock.stepWall(-37_000);
  t.equal(clock.wallUs(), 1_710_511_163_000_000);
  t.equal(clock.monoUs(), monoUs);
});
