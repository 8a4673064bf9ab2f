import t from 'tap';
import type { TimelineRow, TouchlineManifest } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Sighting } from '#domain/alignment/beep.ts';
import { type Claim, claimOf } from '#domain/alignment/claim.ts';
import { compareSession, phaseOf, type SessionAlignment, type Witness } from '#domain/alignment/compare.ts';
import { correctionsOf } from '#domain/alignment/corrections.ts';
import { fittedLine } from '#domain/alignment/line.ts';
import { additionsOf, manifestOf } from '../../fixtures/central.ts';

const START_US = 1_710_511_200_000_000;
const NO_BEEP = { found: false, reason: 'no sound' } as const satisfies Sighting;
const beepAt = (atUs: number, uncertaintyUs = 5): Sighting => ({
  ...{ found: true, atUs, uncertaintyUs },
  ...{ likeness: 0.9, peakToNoise: 50 },
});

function claim(cameraId: string, startUs: number, more: Partial<Claim> = {}): Claim {
  return {
    ...{ cameraId, part: 1, fps: 30, durationUs: 60e6, startUs: START_US + startUs },
    ...{ boundUs: 500, masterTime: true, bootId: 'one', localMinusMasterUs: 0, replayed: false },
    ...{ beepUs: 0, timeline: null },
    ...more,
  };
}

/** A burned-in clock that began at `startUs` and runs `ppm` fast. */
function pixels(startUs: number, ppm = 0): Witness['pixels'] {
  const points = Array.from({ length: 36 }, (_, n) => ({
    x: n * 1.6e6,
    y: START_US + startUs + n * 1.6e6 * (1 + ppm / 1e6) + (n % 3) - 1,
  }));
  return fittedLine(points, 11) ?? { reason: 'none' };
}

const witness = (
  of: Claim,
  shown: Witness['pixels'] = { reason: 'no clock' },
  beep: Sighting = NO_BEEP,
): Witness => ({
  claim: of,
  pixels: shown,
  beep,
});
const compare = (...witnesses: Witness[]): SessionAlignment => compareSession(witnesses, { apartM: 0 });
const near = (found: number | undefined, wanted: number, within: number): boolean =>
  found !== undefined && Math.abs(found - wanted) <= within;

t.test('a line through points tells how well it is known', async (t) => {
  t.equal(fittedLine([], 1), undefined);
  const one = fittedLine([{ x: 5, y: START_US }], 10);
  t.match(one?.at(0), { value: START_US });
  t.ok(near(one?.at(0).uncertainty, (1.96 * 10) / Math.sqrt(12), 1e-9), 'one point is as good as its step');
  const points = Array.from({ length: 100 }, (_, n) => ({ x: n, y: START_US + 3 * n + (n % 2 ? 1 : -1) }));
  const line = fittedLine(points, 0);
  t.ok(near(line?.slope, 3, 0.01));
  t.ok(near(line?.at(1000).value, START_US + 3000, 20));
  const [inside, outside] = [line?.at(50).uncertainty ?? 0, line?.at(1000).uncertainty ?? 0];
  t.ok(near(inside, 1.96 / 10, 0.01), `${inside}: scatter over the root of the count`);
  t.ok(outside > 10 * inside, 'further away it is known less');
  t.ok(
    fittedLine(points, 1000) && (fittedLine(points, 1000)?.at(50).uncertainty ?? 0) > 50,
    'steps are not beaten by counting points that agree',
  );
});

const FILM = { path: 'x', sizeBytes: 1, sha256: 'a'.repeat(64), width: 1280, height: 720, seconds: 100 };
function manifestWith(changes: Partial<TouchlineManifest['touchline']> = {}): TouchlineManifest {
  const base = manifestOf(FILM, { camera: 'CAM_R', start: toWireTime(START_US) });
  const additions = additionsOf(base, { master: toWireTime(START_US + 250) });
  return {
    ...base,
    touchline: {
      ...additions,
      ...{ clock: { ...additions.clock, bound_ms: 0.8 }, start_at: toWireTime(START_US + 2_000_000) },
      first_frame: { ...additions.first_frame, mono_us: 7_000_000, master: toWireTime(START_US + 250) },
      ...changes,
    },
  };
}
const row = (monoUs: number, masterUs: number | null): TimelineRow => ({
  ...{
    mono_us: monoUs,
    local: toWireTime(START_US),
    master: masterUs === null ? null : toWireTime(masterUs),
  },
  ...{ offset_ms: 0, bound_ms: 0.3, ci95_ms: 0.02, frame: 0, pts_us: 0, bytes: 0 },
});

t.test('what a manifest and its timeline claim', async (t) => {
  const drifting = Array.from({ length: 101 }, (_, n) =>
    row(7_000_000 + n * 1e6, n === 50 ? null : START_US + 300 + n * (1e6 + 20)),
  );
  const claimed = claimOf(manifestWith(), drifting);
  t.match(claimed, {
    ...{
      cameraId: 'CAM_R',
      part: 1,
      startUs: START_US + 250,
      boundUs: 800,
      masterTime: true,
      bootId: 'test',
    },
    ...{ durationUs: 100e6, beepUs: 1_999_750, replayed: true },
    timeline: { rows: 100, boundUs: 300 },
  });
  t.ok(near(claimed.timeline?.startUs, START_US + 300, 1), 'the rows tell another start');
  t.ok(near(claimed.timeline?.driftUs, 2000, 3), '20 ppm over 100 s');
  t.ok((claimed.timeline?.uncertaintyUs ?? 0) >= 20, 'not better than what the row states');
  t.match(claimOf(manifestWith(), []), { timeline: null, localMinusMasterUs: null });
  t.ok(
    near(claimed.localMinusMasterUs ?? undefined, -300, 1),
    'the rows tell how the local clock stood, not the manifest',
  );
  t.equal(
    claimOf(manifestWith(), [row(7_000_000, null)]).timeline,
    null,
    'rows that know nothing say nothing',
  );
  const beep = manifestWith({ beep_at: toWireTime(START_US + 2_100_250) });
  t.equal(claimOf(beep, []).beepUs, 2_100_000);

  const { touchline: _, ...plain } = manifestWith();
  t.match(claimOf(plain, []), {
    startUs: START_US,
    boundUs: null,
    bootId: null,
    beepUs: null,
    masterTime: true,
  });
  const { first_frame } = manifestWith().touchline;
  const lost = claimOf(manifestWith({ first_frame: { ...first_frame, master: null } }), []);
  t.match(lost, { masterTime: false, boundUs: null, localMinusMasterUs: null });
});

t.test('pixels, sound and clocks that agree', async (t) => {
  const told = compare(
    witness(claim('CAM_L', 0), pixels(0), beepAt(900_000)),
    witness(claim('CAM_C', 10_000), pixels(10_004), beepAt(890_100)),
    witness(claim('CAM_R', 45_000), pixels(45_002, 0.5), beepAt(855_000)),
  );
  t.equal(told.verdict, 'agree');
  t.equal(told.suspect, null);
  t.equal(told.pairs.length, 3);
  const [first, outer] = told.pairs;
  t.match(first?.clock, { offsetUs: 10_000, uncertaintyUs: 1000 });
  t.ok(first && 'offsetUs' in first.pixels && near(first.pixels.offsetUs, 10_004, 2));
  t.match(first?.sound, { offsetUs: 9900 });
  t.ok(
    near(outer?.phaseUs ?? undefined, 45_002 - 33_333, 5),
    'the exposures are that far apart within a frame',
  );
  t.ok(near(outer?.pixelDrift?.driftUs, 0.5 * 59.955, 2), 'half a microsecond a second');
  t.equal(phaseOf(-30_000, 33_333), 3333);
});

t.test('who contradicts is named when one explains it', async (t) => {
  const lie = (cameraId: string, startUs: number, liesUs: number, beep: Sighting = NO_BEEP): Witness =>
    witness(claim(cameraId, startUs + liesUs), pixels(startUs), beep);
  const told = compare(lie('CAM_L', 0, 0), lie('CAM_C', 10_000, 40_000), lie('CAM_R', 20_000, 0));
  t.equal(told.verdict, 'disagree');
  t.match(told.suspect, { cameraId: 'CAM_C', part: 1 });
  const [bad] = told.pairs;
  t.ok(near(bad?.disagreements[0]?.offUs, 40_000, 5));
  t.ok(
    near(bad?.disagreements[0]?.allowedUs, 1000, 200),
    'two bounds, what pixels leave open, and how clocks are read',
  );
  const two = compare(lie('CAM_L', 0, 0), lie('CAM_R', 0, 40_000));
  t.match([two.verdict, two.suspect], ['disagree', null], 'of two nobody knows which');
  const all = compare(lie('CAM_L', 0, 40_000), lie('CAM_C', 0, 0), lie('CAM_R', 0, -40_000));
  t.match([all.verdict, all.suspect], ['disagree', null], 'nor when each contradicts each');

  const deaf = (cameraId: string, liesUs: number, atUs: number): Witness =>
    witness(claim(cameraId, liesUs), { reason: 'no clock' }, beepAt(atUs));
  const bySound = compare(deaf('CAM_L', 0, 500_000), deaf('CAM_C', 0, 500_100), deaf('CAM_R', 9000, 500_000));
  t.match(bySound.suspect, { cameraId: 'CAM_R' }, 'sound alone names it too');
  const spread = compareSession([deaf('CAM_L', 0, 500_000), deaf('CAM_R', 9000, 500_000)], { apartM: 5 });
  t.equal(spread.verdict, 'agree', 'which sound on its way explains when the microphones are 5 m apart');

  const timeline = {
    startUs: START_US,
    boundUs: 100,
    uncertaintyUs: 20,
    driftUs: 0,
    driftUncertaintyUs: 1,
    rows: 60,
  };
  const own = compare(
    witness(claim('CAM_L', 0, { timeline })),
    witness(claim('CAM_C', 0, { timeline })),
    witness(claim('CAM_R', 40_000, { timeline })),
  );
  t.match(own.suspect, { cameraId: 'CAM_R' }, 'a manifest that contradicts its own timeline');
  t.same([...new Set(own.pairs.flatMap((pair) => pair.disagreements.map(({ by }) => by)))], ['timeline']);
});

t.test('what is no proof is not taken for one', async (t) => {
  const bare = compare(witness(claim('CAM_L', 0)), witness(claim('CAM_R', 900)));
  t.match(bare, { verdict: 'no_proof', unproven: ['CAM_L', 'CAM_R'] });
  const half = compare(
    witness(claim('CAM_L', 0), pixels(0)),
    witness(claim('CAM_C', 0), pixels(0)),
    witness(claim('CAM_R', 0)),
  );
  t.match(half, { verdict: 'no_proof', unproven: ['CAM_R'] });
  t.equal(
    compare(witness(claim('CAM_L', 0), pixels(0))).verdict,
    'no_proof',
    'one camera is compared with nobody',
  );
  const apart = compare(witness(claim('CAM_L', 0), pixels(0)), witness(claim('CAM_R', 90e6), pixels(90e6)));
  t.match(apart, { verdict: 'no_proof', pairs: [] }, 'nor are files of different times');
  const played = compare(
    witness(claim('CAM_L', 0, { replayed: true }), pixels(0)),
    witness(claim('CAM_R', 0), pixels(7e6)),
  );
  t.equal(played.verdict, 'no_proof');
  t.match(played.pairs[0]?.pixels, { reason: /film that was played/ });
});

t.test('pictures of several machines show several clocks', async (t) => {
  // The second machine is 7 s ahead, and knows it to half a millisecond.
  const of = (localMinusMasterUs: number | null): SessionAlignment =>
    compare(
      witness(claim('CAM_L', 0), pixels(0)),
      witness(claim('CAM_R', 10_000, { bootId: 'two', localMinusMasterUs }), pixels(7_010_000)),
    );
  const [pair] = of(7e6).pairs;
  t.equal(pair?.oneClock, false);
  t.match(pair?.disagreements, []);
  t.ok(pair && 'offsetUs' in pair.pixels && near(pair.pixels.offsetUs, 10_000, 3));
  t.ok(
    pair && 'offsetUs' in pair.pixels && pair.pixels.uncertaintyUs > 1000,
    'no better than the offset is known',
  );
  t.match(of(null).pairs[0]?.pixels, {
    reason: /CAM_R shows the clock of its own machine, and no timeline tells/,
  });
});

t.test('starts without a guarantee are claimed to a frame', async (t) => {
  const of = (shownUs: number): string =>
    compare(
      witness(claim('CAM_L', 0, { boundUs: null }), pixels(0)),
      witness(claim('CAM_R', 0, { boundUs: null }), pixels(shownUs)),
    ).verdict;
  t.equal(of(30_000), 'agree');
  t.equal(of(40_000), 'disagree');
});

t.test('starts are corrected where something is known better by far', async (t) => {
  const beepFrom = (atUs: number, uncertaintyUs?: number) => beepAt(atUs, uncertaintyUs);
  const listeners = [
    { claim: claim('CAM_C', 0, { boundUs: 100 }), beep: beepFrom(2_000_000) },
    { claim: claim('CAM_R', 40_000, { boundUs: 60_000 }), beep: beepFrom(2_000_000) },
    { claim: claim('CAM_R', 90e6, { boundUs: 60_000, part: 2 }), beep: NO_BEEP },
    { claim: claim('CAM_L', 7000, { boundUs: 3000 }), beep: beepFrom(2_000_000) },
  ];
  const corrections = correctionsOf(listeners, { apartM: 2 });
  t.match(corrections, [
    { cameraId: 'CAM_R', part: 1, byUs: -40_000, from: 'beep', claimedUs: 60_100 },
    { cameraId: 'CAM_R', part: 2, byUs: -40_000 },
  ]);
  t.equal(corrections.length, 2, 'the beep knows CAM_L no better than its clock, as far as sound travels');
  t.ok(near(corrections[0]?.uncertaintyUs, 5838, 5), '2 m of air');
  t.match(
    correctionsOf(listeners, { apartM: 0.1 }).map(({ cameraId }) => cameraId),
    ['CAM_R', 'CAM_R', 'CAM_L'],
    'microphones side by side',
  );
  t.same(correctionsOf(listeners.slice(1, 2), { apartM: 0 }), [], 'one that hears it alone');
  const lost = [
    listeners[0],
    { claim: claim('CAM_R', 99_000, { boundUs: null }), beep: beepFrom(1_950_000) },
  ];
  t.match(
    correctionsOf(
      lost.flatMap((each) => each ?? []),
      { apartM: 2 },
    ),
    [{ byUs: -49_000, claimedUs: null }],
    'a clock that guarantees nothing is corrected by anything',
  );

  const timeline = {
    startUs: START_US + 500,
    boundUs: 90,
    uncertaintyUs: 60,
    driftUs: 0,
    driftUncertaintyUs: 1,
    rows: 9,
  };
  const own = (boundUs: number | null, startUs: number) =>
    correctionsOf([{ claim: claim('CAM_R', startUs, { boundUs, timeline }), beep: NO_BEEP }], { apartM: 2 });
  t.match(own(2000, 0), [{ byUs: 500, from: 'timeline', uncertaintyUs: 60 }]);
  t.same(own(100, 0), [], 'not twice as good');
  t.same(own(2000, 460), [], 'nothing to correct');
});
