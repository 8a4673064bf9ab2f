import { type Clock, wallAt } from './clock.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  notOk(value: unknown, message: string): unknown;
}

/** A clock, and the way to let its time pass: by waiting, or by hand. */
export interface ClockLab {
  readonly clock: Clock;
  pass(ms: number): Promise<void>;
}

/** Room for a busy machine, where time cannot be held: only lower bounds are exact. */
const LATE_MS = 2000;

/** Every clock, real or moved by hand, behaves like this. */
export async function clockConformance(t: Assertions, lab: ClockLab): Promise<void> {
  const { clock } = lab;
  t.ok(clock.bootId.length > 0, 'it says whose monotonic time it is');
  t.equal(clock.bootId, clock.bootId.trim(), 'without blanks');
  t.ok(
    clock.readErrorUs >= 0 && clock.readErrorUs < 1000,
    'the wall clock is read to better than a millisecond',
  );

  let backwards = 0;
  let fractions = 0;
  for (let n = 0, last = clock.monoUs(); n < 5000; n++) {
    const now = clock.monoUs();
    if (now < last) backwards++;
    if (!Number.isSafeInteger(now) || !Number.isSafeInteger(clock.wallUs())) fractions++;
    last = now;
  }
  t.equal(backwards, 0, 'monotonic time never goes back');
  t.equal(fractions, 0, 'all times are whole microseconds');

  // Both clocks are read close together: on a busy machine much can pass between two lines.
  const monoUs = clock.monoUs();
  const wallUs = wallAt(clock, monoUs);
  await lab.pass(30);
  const laterUs = clock.monoUs();
  const monoPassedUs = laterUs - monoUs;
  const wallPassedUs = wallAt(clock, laterUs) - wallUs;
  t.ok(monoPassedUs >= 30_000, 'time passes');
  t.ok(Math.abs(monoPassedUs - wallPassedUs) < 2000, 'on both clocks alike');

  await waits(t, lab);
  await ticks(t, lab);
}

async function waits(t: Assertions, { clock, pass }: ClockLab): Promise<void> {
  await clock.sleepUntil(clock.monoUs() - 1, 'the past');
  await clock.sleepUntil(clock.monoUs(), 'now');

  const fromUs = clock.monoUs();
  const woken: [string, number][] = [];
  const sleep = (name: string, afterMs: number, signal?: AbortSignal): Promise<void> =>
    clock.sleepUntil(fromUs + afterMs * 1000, name, signal).then(() => {
      woken.push([name, clock.monoUs() - fromUs - afterMs * 1000]);
    });
  const all = [sleep('third', 60), sleep('first', 20), sleep('second', 40)];
  await pass(60);
  await Promise.all(all);
  t.same(
    woken.map(([name]) => name),
    ['first', 'second', 'third'],
    'waits end in the order of their ends',
  );
  t.same(
    woken.filter(([, lateUs]) => lateUs < 0),
    [],
    'and none before its end',
  );

  const reason = new Error('given up');
  const control = new AbortController();
  const aborted = clock.sleepUntil(clock.monoUs() + 60_000_000, 'far', control.signal).then(
    () => 'woken',
    (error: unknown) => error,
  );
  control.abort(reason);
  t.equal(await aborted, reason, 'an aborted wait rejects with the reason, at once');
  const late = clock.sleepUntil(clock.monoUs() + 60_000_000, 'far', control.signal);
  t.equal(await late.catch((error: unknown) => error), reason, 'also when it was aborted before');
}

async function ticks(t: Assertions, { clock, pass }: ClockLab): Promise<void> {
  const until = async (condition: () => boolean): Promise<boolean> => {
    for (let waitedMs = 0; !condition() && waitedMs < LATE_MS; waitedMs += 5) await pass(5);
    return condition();
  };

  const at: number[] = [];
  let running = 0;
  let overlapped = false;
  const startedUs = clock.monoUs();
  const stop = clock.every(10, 'slow work', async () => {
    at.push(clock.monoUs());
    running++;
    overlapped ||= running > 1;
    await clock.sleepUntil(clock.monoUs() + 25_000, 'work that takes longer than the interval');
    running--;
  });
  t.equal(at.length, 0, 'the first tick comes after the interval');
  t.ok(await until(() => at.length >= 4 && running === 0), 'ticks come');
  stop();
  t.notOk(overlapped, 'never two at once');
  const apartMs = at.map((time, n) => (time - (at[n - 1] ?? startedUs)) / 1000);
  t.ok(Math.min(...apartMs) > 8, 'and never in a burst');
  const count = at.length;
  await pass(50);
  t.equal(at.length, count, 'none after the stop');

  let last = 0;
  const stopInside = clock.every(5, 'once', () => {
    last++;
    stopInside();
  });
  t.ok(await until(() => last > 0), 'a tick without a promise is one too');
  await pass(30);
  t.equal(last, 1, 'it can stop itself');
}
