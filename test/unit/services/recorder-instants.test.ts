import t from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { createLogger } from '#runtime/logger.ts';
import { createInstants } from '#services/recorder/instants.ts';
import type { RigClock } from '#services/recorder/rig-clock.ts';

const clock = manualClock();
const SEC = 1e6;

/** Instants of a node whose rig time is `aheadUs` before its monotonic clock; with `known`, by a mapping that it was told. */
function instants(known: boolean) {
  const rig = {
    monoOfMaster: (masterUs: number) => masterUs,
    masterOfMono: (monoUs: number) => (known ? monoUs : undefined),
  } as RigClock;
  return createInstants({
    rig: () => rig,
    clock,
    log: createLogger({ name: 'test', level: 'silent' }),
    startLeadUs: 1.5 * SEC,
  });
}

t.test('an agreed start is taken as it is, unless only a wrong clock can have put it there', async (t) => {
  const now = clock.monoUs();
  for (const known of [true, false]) {
    const { startMonoOf } = instants(known);
    t.equal(startMonoOf(now + 1.5 * SEC), now + 1.5 * SEC, 'as far ahead as starts are agreed on');
    t.equal(startMonoOf(now - 1 * SEC), now - 1 * SEC, 'a moment ago');
    t.equal(startMonoOf(now + 600 * SEC), now, 'ten minutes ahead: now, not in ten minutes');
  }
  t.equal(
    instants(true).startMonoOf(now - 3000 * SEC),
    now - 3000 * SEC,
    'joined in late, by a clock that is known',
  );
  t.equal(
    instants(false).startMonoOf(now - 3000 * SEC),
    now,
    'by one that is not, it would end the session at once',
  );
});

t.test('a stop is never long from now', async (t) => {
  const now = clock.monoUs();
  const { stopMonoOf } = instants(true);
  t.equal(stopMonoOf(now + 150_000), now + 150_000);
  t.equal(stopMonoOf(now - 5 * SEC), now - 5 * SEC);
  t.ok(stopMonoOf(now + 600 * SEC) <= now + 2 * SEC);
});
