import t from 'tap';
import { wallAt } from '#ports/clock/clock.ts';

t.test('the wall clock at an instant does not depend on what got between two readings', async (t) => {
  let mono = 1_000_000;
  const pauses = [4000, 7000, 0];
  const clock = {
    monoUs: () => ++mono,
    wallUs: () => {
      const wallUs = ++mono + 1_700_000_000_000_000;
      mono += pauses.shift() ?? 0;
      return wallUs;
    },
  };
  const offUs = wallAt(clock, 500_000) - 1_700_000_000_500_000;
  t.ok(Math.abs(offUs) <= 2, `off by ${offUs} us`);
  pauses.push(9000, 8000, 7000, 6000, 5000, 0);
  const worstUs = Math.abs(wallAt(clock, 500_000) - 1_700_000_000_500_000);
  t.ok(worstUs <= 2502, 'on a machine that is always late, the best reading of a few');
  t.equal(pauses.length, 1, 'and no more than a few');
});
