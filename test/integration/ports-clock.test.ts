import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { clockConformance } from '#ports/clock/conformance.ts';
import { systemClock } from '#ports/clock/system-clock.ts';

t.test('the clocks of this machine behave like clocks', (t) =>
  clockConformance(t, { clock: systemClock(), pass: (ms) => delay(ms + 1).then(() => undefined) }),
);

t.test('the wall clock is the one the kernel shows to others', async (t) => {
  const clock = systemClock();
  const rounds: number[] = [];
  // Something else may step the kernel's clock while we look, which is noticed a second later: one round of three has to fit.
  for (let round = 0; round < 3 && Math.min(...rounds) > 50; round++) {
    if (round > 0) await delay(1100);
    const off: number[] = [];
    for (let n = 0; n < 5; n++) {
      const beforeUs = clock.wallUs();
      const kernelUs = Number(BigInt(execFileSync('date', ['+%s%N']).toString().trim()) / 1000n);
      const afterUs = clock.wallUs();
      off.push(Math.max(0, beforeUs - kernelUs, kernelUs - afterUs) - clock.readErrorUs);
    }
    rounds.push(Math.max(...off));
  }
  t.ok(Math.min(...rounds) <= 50, `beyond its own reading by ${rounds} us`);
});

t.test('a step of the wall clock is seen by the next reading', async (t) => {
  const clock = systemClock();
  const before = clock.wallUs() - clock.monoUs();
  const real = Date.now;
  t.teardown(() => {
    Date.now = real;
  });
  for (const stepMs of [5000, -20]) {
    Date.now = () => real() + stepMs;
    const apartMs = (clock.wallUs() - clock.monoUs() - before) / 1000;
    t.ok(Math.abs(apartMs - stepMs) < 2, `${stepMs} ms: ${apartMs}`);
  }
});

t.test('two processes agree on both clocks', async (t) => {
  const clock = systemClock();
  const script = join(import.meta.dirname, '../fixtures/print-clock.ts');
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill());
  const lines = createInterface({ input: child.stdout });
  const beyondUs: number[] = [];
  let outside = 0;
  for (let n = 0; n < 20; n++) {
    const beforeUs = clock.monoUs();
    child.stdin.write('now\n');
    const [line] = (await once(lines, 'line')) as [string];
    const afterUs = clock.monoUs();
    const other = JSON.parse(line) as Record<'readErrorUs' | 'monoUs' | 'wallUs' | 'laterUs', number> & {
      bootId: string;
    };
    t.equal(other.bootId, clock.bootId);
    if (other.monoUs < beforeUs || other.laterUs > afterUs) outside++;
    // Between two readings a process may have to wait: the offset of its clocks lies between two bounds.
    const [monoUs, wallUs, laterUs] = [clock.monoUs(), clock.wallUs(), clock.monoUs()];
    const apartUs = Math.max(
      wallUs - laterUs - (other.wallUs - other.monoUs),
      other.wallUs - other.laterUs - (wallUs - monoUs),
    );
    beyondUs.push(apartUs - other.readErrorUs - clock.readErrorUs);
  }
  t.equal(outside, 0, 'the same monotonic count');
  beyondUs.sort((a, b) => a - b);
  t.ok((beyondUs[10] ?? 1e9) <= 2, `wall clocks agree within what they claim (beyond: ${beyondUs} us)`);
});

t.test('a wait never ends before its end', async (t) => {
  const clock = systemClock();
  for (let n = 0; n < 15; n++) {
    const endUs = clock.monoUs() + 4_321 * (1 + (n % 4));
    await clock.sleepUntil(endUs, 'a start');
    t.ok(clock.monoUs() >= endUs);
  }
});

t.test('a tick that throws ends the program with its reason, not the timer in silence', async (t) => {
  const program = `
    import { systemClock } from '#ports/clock/system-clock.ts';
    systemClock().every(1, 'broken', () => { throw new Error('the reason'); });
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: join(import.meta.dirname, '../..'),
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  t.equal(code, 1);
  t.match(stderr, /the reason/);
});
