import t from 'tap';
import { observe, propagate, startAt } from '#domain/sync/clock-model.ts';
import { compareReadings } from '#domain/sync/compare.ts';
import { createSyncEstimator, type ExchangeSample, MAX_RATE_PPM } from '#domain/sync/estimator.ts';
import { createNoiseGauge, createSlantGauge, createWanderGauge } from '#domain/sync/gauges.ts';
import { halfWidthOf, within } from '#domain/sync/mixture.ts';
import { createPathDelay } from '#domain/sync/path-delay.ts';

const EPOCH_US = 1_700_000_000_000_000;

/** An exchange begun at `atUs` with a master that is `EPOCH_US` ahead and runs faster by `ppm`. */
function exchange(
  atUs: number,
  { out = 200, back = 200, answer = 50, stepUs = 0, ppm = 0 } = {},
): ExchangeSample {
  const masterUs = (monoUs: number): number => EPOCH_US + monoUs + stepUs + Math.round((monoUs * ppm) / 1e6);
  return {
    t1MonoUs: atUs,
    t2MasterUs: masterUs(atUs + out),
    t3MasterUs: masterUs(atUs + out + answer),
    t4MonoUs: atUs + out + answer + back,
    peerBoundUs: 0,
  };
}

t.test('nothing is claimed before the first exchange, nor after a reset', async (t) => {
  const estimator = createSyncEstimator();
  t.equal(estimator.at(0), undefined);
  t.equal(estimator.add(exchange(1000)), 'used');
  t.match(estimator.at(2000), { masterUs: EPOCH_US + 2000, confidence: 1, ageUs: 550 });
  estimator.reset();
  t.equal(estimator.at(2000), undefined);
});

t.test("an exchange proves half its round trip, more with age and with its peer's error", async (t) => {
  const estimator = createSyncEstimator({ maxRatePpm: 100 });
  estimator.add(exchange(0));
  const bound = (monoUs: number): number => Math.round(estimator.at(monoUs)?.boundUs ?? Number.NaN);
  t.equal(bound(450), 202, 'half of 400 µs and the rounding of the time stamps');
  const { ci95Us = 0, boundUs = 0 } = estimator.at(450) ?? {};
  t.equal(ci95Us, boundUs, 'what is guaranteed is also the most that is likely');
  t.equal(bound(10_000_450), 1202, '100 ppm of 10 s');
  estimator.reset();
  estimator.add({ ...exchange(0), peerBoundUs: 1000 });
  t.equal(bound(450), 1202);
  estimator.reset();
  estimator.add(exchange(0, { answer: 10_000_000 }));
  t.equal(bound(10_000_400), 1202, 'while the peer thought for 10 s the clocks ran apart too');
});

t.test('a fast answer narrows the bound, a slow one does not widen it', async (t) => {
  const estimator = createSyncEstimator();
  estimator.add(exchange(0, { out: 20_000, back: 100 }));
  const slow = estimator.at(30_000)?.boundUs ?? 0;
  estimator.add(exchange(100_000));
  const fast = estimator.at(101_000)?.boundUs ?? 0;
  estimator.add(exchange(200_000, { out: 100, back: 40_000 }));
  const after = estimator.at(250_000);
  t.ok(slow > 9000 && fast < 300, `${slow}, ${fast}`);
  t.ok((after?.boundUs ?? 0) < 350, 'it only grew with age');
  t.ok(Math.abs((after?.masterUs ?? 0) - EPOCH_US - 250_000) < 50, 'and the estimate hardly moved');
});

t.test('what is proven overrules what is likely', async (t) => {
  const estimator = createSyncEstimator();
  for (let n = 0; n < 60; n++) estimator.add(exchange(n * 1e6, { out: 4000, back: 0 }));
  // The first sixty look as if the master were 2 ms ahead, this one as if it were 2 ms behind; together they leave one time only.
  estimator.add(exchange(60e6, { out: 0, back: 4000 }));
  const { masterUs = 0, boundUs = 0 } = estimator.at(60.01e6) ?? {};
  t.ok(Math.abs(masterUs - EPOCH_US - 60.01e6) <= boundUs && boundUs < 350, `± ${boundUs} µs`);
});

t.test('a master whose clock was stepped contradicts, and is followed after a reset', async (t) => {
  const estimator = createSyncEstimator();
  for (let n = 0; n < 20; n++) estimator.add(exchange(n * 1e6));
  const before = estimator.at(21e6);
  t.equal(estimator.add(exchange(20e6, { stepUs: 5000 })), 'contradicts');
  t.same(estimator.at(21e6), before, 'nothing changed');
  estimator.reset();
  t.equal(estimator.add(exchange(21e6, { stepUs: 5000 })), 'used');
  t.equal(estimator.at(21e6)?.masterUs, EPOCH_US + 21e6 + 5000);
});

t.test('answers in the wrong order: the older one is late', async (t) => {
  const estimator = createSyncEstimator();
  estimator.add(exchange(2e6));
  const before = estimator.at(3e6);
  t.equal(estimator.add(exchange(1e6)), 'late');
  t.equal(estimator.add(exchange(2e6)), 'late', 'the same again');
  t.same(estimator.at(3e6), before);
});

t.test('what cannot have happened is refused by the name of its field', async (t) => {
  const estimator = createSyncEstimator();
  const refuses = (change: Partial<ExchangeSample>, field: string): void => {
    t.throws(() => estimator.add({ ...exchange(1e6), ...change }), { code: 'invalid_field', field });
  };
  refuses({ t1MonoUs: Number.NaN }, 't1MonoUs');
  refuses({ t2MasterUs: Number.POSITIVE_INFINITY }, 't2MasterUs');
  refuses({ peerBoundUs: -1 }, 'peerBoundUs');
  refuses({ t4MonoUs: 1e6 - 1 }, 't4MonoUs');
  refuses({ t3MasterUs: EPOCH_US }, 't3MasterUs');
  refuses({ t3MasterUs: EPOCH_US + 1e6 + 10_000 }, 't3MasterUs');
  t.equal(estimator.at(1e6), undefined, 'and nothing was learned from it');
});

t.test('two readings: 2 ms apart warns, more than both bounds is impossible', async (t) => {
  const a = { masterUs: EPOCH_US + 3000, boundUs: 2000 };
  t.same(compareReadings(a, { masterUs: EPOCH_US, boundUs: 1500 }), {
    disagreementMs: 3,
    warns: true,
    impossible: false,
  });
  t.match(compareReadings(a, { masterUs: EPOCH_US, boundUs: 500 }), { impossible: true });
  t.match(compareReadings(a, { masterUs: EPOCH_US + 4500, boundUs: 500 }), {
    disagreementMs: -1.5,
    warns: false,
  });
});

t.test('the rate is learned, and carries over ten minutes of silence', async (t) => {
  const estimator = createSyncEstimator();
  for (let n = 0; n < 120; n++) estimator.add(exchange(n * 1e6, { ppm: 20 }));
  const truth = (monoUs: number): number => EPOCH_US + monoUs + Math.round((monoUs * 20) / 1e6);
  const [now, later] = [estimator.at(120e6), estimator.at(720e6)];
  t.ok(Math.abs((now?.ratePpm ?? 0) - 20) < 0.1, `${now?.ratePpm} ppm`);
  t.ok(Math.abs((later?.masterUs ?? 0) - truth(720e6)) < 100, 'a clock that was steady is taken to stay so');
  t.ok((later?.ci95Us ?? 0) > 3 * (now?.ci95Us ?? 0), 'but less surely');
  // Measured from the estimate, which is 20 ppm from the middle of what can be.
  const grownUs = 600 * (MAX_RATE_PPM + 20);
  t.ok(Math.abs((later?.boundUs ?? 0) - grownUs) < 1000, 'guaranteed is only what two crystals can do');
  t.ok((later?.boundUs ?? 0) >= (later?.ci95Us ?? 0));
  t.equal(Math.round((later?.ageUs ?? 0) / 1e6), 601);
});

t.test('instants before the last exchange are answered too: frames are that old', async (t) => {
  const estimator = createSyncEstimator();
  for (let n = 0; n < 60; n++) estimator.add(exchange(n * 1e6, { ppm: -30 }));
  const before = estimator.at(50e6);
  t.ok(Math.abs((before?.masterUs ?? 0) - EPOCH_US - 50e6 + 1500) < 10, `${before?.masterUs}`);
  t.equal(before?.ageUs, 0);
});

t.test('confidence is the probability of keeping the promise', async (t) => {
  const estimator = createSyncEstimator({ promiseUs: 300 });
  for (let n = 0; n < 60; n++)
    estimator.add(exchange(n * 1e6, { out: 800 + 37 * (n % 7), back: 800 + 53 * (n % 5) }));
  const confidence = (monoUs: number): number => estimator.at(monoUs)?.confidence ?? Number.NaN;
  const [now, soon, late] = [confidence(60e6), confidence(260e6), confidence(3660e6)];
  t.ok(now > 0.99 && now > soon && soon > late && late < 0.5 && late >= 0, `${now}, ${soon}, ${late}`);
  t.equal(createSyncEstimator().at(0), undefined);
});

t.test('width of a mixture', async (t) => {
  const near = (found: number, wanted: number): void =>
    void t.ok(Math.abs(found - wanted) < 1e-3 * Math.max(1, wanted), `${found} for ${wanted}`);
  near(halfWidthOf([{ weight: 1, mean: 0, sigma: 10 }], 0.95), 19.6);
  near(halfWidthOf([{ weight: 1, mean: 30, sigma: 1 }], 0.95), 31.645);
  // One in ten is a hundred times wider: 1.96 of the narrow one holds 90 % only.
  const two = [
    { weight: 0.9, mean: 0, sigma: 1 },
    { weight: 0.1, mean: 0, sigma: 100 },
  ];
  near(within(two, 1.96), 0.9 * 0.95 + 0.1 * 0.01564);
  near(within(two, halfWidthOf(two, 0.95)), 0.95);
});

t.test('a clock moves the same in one step and in many, and comes back', async (t) => {
  const wander = { slewsUs: 1, walkPpm: 0.1, changePpmPerSec: 0.01 };
  const start = startAt(5, [4, 100, 0.0001]);
  const moving = { ...start, rate: 10, change: 0.05 };
  const whole = propagate(moving, wander, 20);
  const halves = propagate(propagate(moving, wander, 10), wander, 10);
  for (const [name, value] of Object.entries(whole)) {
    const other = halves[name as keyof typeof halves];
    t.ok(Math.abs(value - other) <= 0.02 * Math.abs(value) + 1e-9, `${name}: ${value}, ${other}`);
  }
  t.ok(
    Math.abs(whole.offset - (5 + 10 * 20 + 0.05 * 200)) < 1,
    'half of the change times the square of the time',
  );
  const again = propagate(whole, wander, -20);
  t.ok(Math.abs(again.offset - 5) < 1 && again.offsetOffset > start.offsetOffset, 'and back it is less sure');
  const { state } = observe(start, { seen: 9, variance: 4, reach: 10, excess: 6 });
  t.match(state, { offset: 7, offsetOffset: 2, pullOffset: 3 }, 'two that are equally sure meet halfway');
});

t.test('within its reach an observation proves no movement, however far off it is', async (t) => {
  const calm = startAt(0, [1, 0, 0]);
  const restless = startAt(0, [10_000, 0, 0]);
  const evidence = (seen: number): number =>
    observe(restless, { seen, variance: 0, reach: 1000, excess: 2000 }).logLikelihood -
    observe(calm, { seen, variance: 0, reach: 1000, excess: 2000 }).logLikelihood;
  t.equal(evidence(900), evidence(0));
  t.ok(evidence(0) < 0 && evidence(1300) > 10);
});

t.test('the least round trip of ten minutes ago is forgotten', async (t) => {
  const path = createPathDelay();
  path.add(0, 100);
  for (let sec = 1; sec < 590; sec++)
    if (path.add(sec * 1e6, 500).excessUs !== 400) t.fail(`forgotten after ${sec} s`);
  const after = path.add(661e6, 500);
  t.same(after, { excessUs: 0, doubtUs: 0 });
});

t.test('gauges learn how queues are spread, and how often a forecast fails', async (t) => {
  const noise = (missUs: (n: number) => number): number => {
    const gauge = createNoiseGauge();
    for (let n = 0; n < 200; n++) gauge.add({ miss: missUs(n), variance: 1 }, 1e5, 1000);
    return gauge.share;
  };
  t.ok(noise(() => 500) > 0.24, 'all on one way: the error is half of the excess');
  t.equal(
    noise((n) => 400 * Math.sin(n)),
    1 / 12,
    'evenly spread: a twelfth of its square',
  );
  const slant = (missUs: (n: number) => number): number => {
    const gauge = createSlantGauge();
    for (let n = 0; n < 1000; n++) gauge.add({ miss: missUs(n), variance: 1 }, 1e5, 1000);
    return gauge.sigma;
  };
  t.ok(slant((n) => 300 + 100 * Math.sin(n)) > 0.3, 'they err to one side');
  t.ok(slant((n) => 500 * Math.sin(n)) < 0.05, 'they err to both sides');
  const wander = (missUs: (n: number) => number): number => {
    const gauge = createWanderGauge();
    for (let n = 0; n < 400; n++) gauge.add({ miss: missUs(n), variance: 100 }, 1);
    return gauge.factor;
  };
  t.equal(
    wander((n) => (n % 40 === 0 ? 100 : 5)),
    1,
    'rarely wrong: never surer than at first',
  );
  // One in ten is 50 off where 10 is the standard deviation: until 1.96 of it reaches that far.
  const widened = wander((n) => (n % 10 === 0 ? 50 : 5));
  t.ok(widened > 5 && widened < 10, `${widened}`);
});
