import t from 'tap';
import { beepSamples, findBeep, findSame, type Sighting } from '#domain/alignment/beep.ts';
import { bandPassed, correlated } from '#domain/alignment/correlation.ts';
import { fourier } from '#domain/alignment/fft.ts';

const RATE_HZ = 48_000;
const SAMPLE_US = 1e6 / RATE_HZ;

/** Numbers that scatter evenly between -1 and 1, the same in each run. */
function noise(length: number, seed: number, level: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return level * (state / 2 ** 31 - 1);
  });
}

/** Adds the beep so that it begins at a sample that may lie between two. */
const FINE = beepSamples(20 * RATE_HZ);
function addBeep(samples: Float32Array, at: number, level: number): Float32Array {
  for (let n = Math.ceil(at); n < Math.min(samples.length, at + FINE.length / 20); n++)
    samples[n] = (samples[n] ?? 0) + level * (FINE[Math.round((n - at) * 20)] ?? 0);
  return samples;
}

/** How far a finding is from the truth, microseconds. */
function offUs(found: Sighting, at: number): number {
  return found.found ? found.atUs - at * SAMPLE_US : Number.NaN;
}

t.test('the transform is the sum that defines it, and goes back', async (t) => {
  for (const length of [2, 8, 64]) {
    const [re, im] = [Float64Array.from(noise(length, 1, 1)), Float64Array.from(noise(length, 2, 1))];
    const [fastRe, fastIm] = [re.slice(), im.slice()];
    fourier(length).forward(fastRe, fastIm);
    for (let k = 0; k < length; k++) {
      let [sumRe, sumIm] = [0, 0];
      for (let n = 0; n < length; n++) {
        const [c, s] = [Math.cos((2 * Math.PI * k * n) / length), -Math.sin((2 * Math.PI * k * n) / length)];
        sumRe += (re[n] ?? 0) * c - (im[n] ?? 0) * s;
        sumIm += (re[n] ?? 0) * s + (im[n] ?? 0) * c;
      }
      t.ok(Math.hypot(sumRe - (fastRe[k] ?? 9), sumIm - (fastIm[k] ?? 9)) < 1e-9, `${k} of ${length}`);
    }
    fourier(length).inverse(fastRe, fastIm);
    t.ok(
      fastRe.every((value, n) => Math.abs(value - (re[n] ?? 9)) < 1e-12) &&
        Math.abs((fastIm[1] ?? 9) - (im[1] ?? 0)) < 1e-12,
    );
  }
  for (const length of [0, 1, 3, 48]) t.throws(() => fourier(length), RangeError);
});

t.test('correlation in pieces is correlation', async (t) => {
  const [signal, pattern] = [noise(150_000, 3, 1), noise(900, 4, 1)];
  const fast = correlated(signal, pattern);
  t.equal(fast.length, signal.length - pattern.length + 1);
  for (const at of [0, 1, 77_777, 130_172, 130_173, fast.length - 1]) {
    const sum = pattern.reduce((all, value, n) => all + value * (signal[at + n] ?? 0), 0);
    t.ok(Math.abs(sum - (fast[at] ?? 9)) < 1e-6, `at ${at}`);
  }
  t.equal(correlated(pattern, signal).length, 0, 'what is longer fits nowhere');
});

t.test('the band keeps the beep where it is, and nothing of wind and hiss', async (t) => {
  const strength = (hz: number): number => {
    const tone = Float32Array.from({ length: 9600 }, (_, n) => Math.sin((2 * Math.PI * hz * n) / RATE_HZ));
    return Math.max(...bandPassed(tone, RATE_HZ).subarray(4000, 5000).map(Math.abs));
  };
  for (const hz of [1000, 2000, 3000]) t.ok(Math.abs(strength(hz) - 1) < 0.05, `${hz} Hz`);
  for (const hz of [100, 600, 3600, 10_000]) t.ok(strength(hz) < 0.01, `not ${hz} Hz: ${strength(hz)}`);
});

t.test('a beep is found between two samples, and as far off as it says', async (t) => {
  const beep = beepSamples(RATE_HZ);
  t.equal(beep.length, 14_400);
  t.ok(beep.every((value) => Math.abs(value) < 0.8001) && Math.abs(beep[0] ?? 1) < 1e-6, 'it begins softly');
  for (const [level, seed] of [
    [0, 1],
    [0.1, 2],
    [1, 3],
    [2, 4],
    [4, 5],
  ] as const) {
    const at = 33_333.3 + seed / 7;
    const found = findBeep(addBeep(noise(120_000, seed, level), at, 0.5), RATE_HZ);
    t.ok(found.found, `noise of ${level}: ${found.found ? found.likeness : found.reason}`);
    if (!found.found) continue;
    t.ok(Math.abs(offUs(found, at)) <= 2 * found.uncertaintyUs + 0.5, `${offUs(found, at)} us off`);
    t.ok(found.uncertaintyUs < (level <= 1 ? 10 : 60), `known to ${found.uncertaintyUs} us`);
  }
});

t.test('the uncertainty covers what noise does', async (t) => {
  const errors = Array.from({ length: 40 }, (_, seed) => {
    const at = 20_000 + seed / 40;
    const found = findBeep(addBeep(noise(48_000, 100 + seed, 2), at, 0.5), RATE_HZ);
    return found.found ? Math.abs(offUs(found, at)) / found.uncertaintyUs : Number.NaN;
  });
  const outside = errors.filter((error) => !(error <= 1)).length;
  t.ok(outside <= 4, `${outside} of 40 are further off than 95 % should be`);
  t.ok(Math.max(...errors) > 0.1, 'and it is not far too wide');
});

t.test('of a beep and its echoes the first counts, also when an echo is louder', async (t) => {
  const at = 40_000.25;
  const samples = addBeep(addBeep(noise(120_000, 7, 0.05), at, 0.3), at + 900.5, 0.4);
  t.ok(Math.abs(offUs(findBeep(addBeep(samples, at + 2000, 0.2), RATE_HZ), at)) < 10);
});

t.test('another polarity or rate changes nothing', async (t) => {
  const at = 30_000;
  const turned = addBeep(noise(96_000, 8, 0.1), at, 0.5).map((value) => -value);
  t.ok(Math.abs(offUs(findBeep(turned, RATE_HZ), at)) < 5);
  const slow = new Float32Array(32_000);
  slow.set(beepSamples(16_000), 8000);
  const found = findBeep(slow, 16_000);
  t.ok(found.found && Math.abs(found.atUs - 500_000) < 1, 'at 16 kHz');
});

t.test('where there is no beep none is found, and it says why', async (t) => {
  const reason = (samples: Float32Array, rateHz = RATE_HZ): string => {
    const found = findBeep(samples, rateHz);
    return found.found ? `found at ${found.atUs} us, likeness ${found.likeness}` : found.reason;
  };
  t.match(reason(new Float32Array(96_000)), /no sound between 900 and 3200 Hz/);
  t.match(reason(noise(480_000, 9, 0.5)), /nothing is like the beep/);
  t.match(reason(new Float32Array(9000)), /0\.2 s of sound are too short/);
  t.match(reason(noise(48_000, 1, 1), 6000), /6000 samples a second do not carry 3200 Hz/);
  const whistle = noise(480_000, 10, 0.01).map((value, n) =>
    n > 100_000 && n < 140_000
      ? value + Math.sin((2 * Math.PI * 2900 * n) / RATE_HZ + 3 * Math.sin(n / 300))
      : value,
  );
  t.match(reason(whistle), /nothing is like the beep/, 'a whistle is none');
  const claps = noise(480_000, 11, 0.01);
  for (let n = 0; n < 20; n++)
    for (let k = 0; k < 300; k++) claps[20_000 * n + k] = Math.exp(-k / 60) * (k % 7 < 3 ? 1 : -1);
  t.match(reason(claps), /nothing is like the beep/, 'nor is applause');
  const twice = addBeep(addBeep(noise(480_000, 12, 0.01), 100_000, 0.5), 300_000, 0.5);
  t.match(reason(twice), /the beep fits twice, 4\.167 s apart/);
});

t.test('two microphones that heard the same are put side by side, without a beep', async (t) => {
  // Twice as many samples as are heard, each like its neighbours: it can be heard half a sample later.
  const steps = noise(400_000, 13, 1);
  const crowd = steps.map((_, n) => steps.subarray(n, n + 12).reduce((sum, value) => sum + value, 0) / 3);
  /** Heard `by` half samples later, with noise of its own. */
  const microphone = (by: number, seed: number): Float32Array => {
    const own = noise(150_000, seed, 0.3);
    return own.map((value, n) => value + (crowd[2 * n + 8000 - by] ?? 0));
  };
  const [left, right] = [microphone(0, 14), microphone(2 * 1234 + 1, 15)];
  const found = findSame(right, left.subarray(48_000, 96_000), RATE_HZ);
  t.ok(found.found);
  t.ok(Math.abs(offUs(found, 48_000 + 1234.5)) < 12, `${offUs(found, 49_234.5)} us off`);
  const elsewhere = findSame(noise(150_000, 16, 1), left.subarray(0, 48_000), RATE_HZ);
  t.notOk(elsewhere.found, 'what another crowd shouts is not alike');
});
