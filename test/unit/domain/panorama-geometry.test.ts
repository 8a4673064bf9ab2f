import t from 'tap';
import { pixelOf, type RectilinearCamera, rayOf } from '#domain/camera-geometry/rectilinear.ts';
import {
  doubtFit,
  doubtKept,
  doubtPoints,
  overlapDeg,
  priorCameras,
} from '#domain/panorama/calibration-check.ts';
import {
  mergeMoments,
  residualsOf,
  scalePoints,
  standingPoints,
  withoutOutliers,
} from '#domain/panorama/control-points.ts';
import { pixelOfCylinder, planCylinder, rayOfCylinder } from '#domain/panorama/cylinder.ts';
import { afterwards, matchLevels, type Pairs, stepOf, UNCHANGED } from '#domain/panorama/exposure.ts';
import {
  anglesOf,
  type ControlPoint,
  controlPointsOf,
  huginProject,
} from '#domain/panorama/hugin-project.ts';
import { levelled } from '#domain/panorama/level.ts';
import { segmentsOf } from '#domain/panorama/segments.ts';
import { pgm, seamShares, warpMap } from '#domain/panorama/warp-map.ts';

const camera = (yawDeg: number, pitchDeg = 0, rollDeg = 0): RectilinearCamera => ({
  ...{ width: 1920, height: 1080, hfovDeg: 66, yawDeg, pitchDeg, rollDeg },
});
const MAST = [camera(-53, -11, 1), camera(0, -12, 0), camera(55, -13, -1)];
const NAMES = ['CAM_L', 'CAM_C', 'CAM_R'];

/** What both cameras of a seam see of a grid of directions. */
function pointsBetween(cameras: readonly RectilinearCamera[], left: number): ControlPoint[] {
  const [one, other] = [cameras[left], cameras[left + 1]];
  if (!one || !other) return [];
  const points: ControlPoint[] = [];
  for (let x = 1560; x < 1920; x += 60)
    for (let y = 100; y < 1000; y += 90) {
      const there = pixelOf(other, rayOf(one, x, y));
      if (there && there.x >= 0 && there.y >= 0 && there.y < 1080)
        points.push({ left, right: left + 1, leftX: x, leftY: y, rightX: there.x, rightY: there.y });
    }
  return points;
}
const allPoints = (cameras: readonly RectilinearCamera[]): ControlPoint[] => [
  ...pointsBetween(cameras, 0),
  ...pointsBetween(cameras, 1),
];

t.test('the cylinder holds only what is seen', async (t) => {
  const plan = planCylinder(MAST, { seamPx: 100, reference: 1 });
  const { width, height } = plan.cylinder;
  t.same([width % 2, height % 2], [0, 0]);
  t.ok(width > 3900 && height > 800, `${width}x${height}`);
  for (const [index, region] of plan.regions.entries()) {
    const own = MAST[index] ?? camera(0);
    for (const x of [region.from, region.to - 1])
      for (const y of [0, height - 1]) {
        const seen = pixelOf(own, rayOfCylinder(plan.cylinder, x, y));
        t.ok(
          seen && seen.x > -2 && seen.y > -2 && seen.x < 1921 && seen.y < 1081,
          `view ${index} sees (${x}, ${y}) at (${seen?.x.toFixed(0)}, ${seen?.y.toFixed(0)})`,
        );
      }
  }
  t.equal(plan.regions[0]?.from, 0);
  t.equal(plan.regions[2]?.to, width);
  for (const [index, seam] of plan.seams.entries()) {
    t.same(
      [plan.regions[index]?.to, plan.regions[index + 1]?.from],
      [seam.to, seam.from],
      'views meet in the blend',
    );
    t.same([seam.from % 2, seam.to % 2], [0, 0]);
    t.ok(Math.abs(seam.to - seam.from - 100) <= 4);
  }
  const at = pixelOfCylinder(plan.cylinder, rayOfCylinder(plan.cylinder, 123, 45));
  t.ok(Math.hypot(at.x - 123, at.y - 45) < 1e-6);

  t.equal(planCylinder(MAST, { seamPx: 100, reference: 1, width: 1280 }).cylinder.width, 1280);
  const narrow = planCylinder([camera(0), camera(65)], { seamPx: 400, reference: 0 }).seams[0];
  t.ok(narrow && narrow.to - narrow.from < 30, 'a blend never takes more than half of the overlap');
  const clock = planCylinder(MAST, { seamPx: 100, reference: 1, hiddenRows: [16, 16, 16] });
  for (const [index, region] of clock.regions.entries())
    for (let x = region.from; x < region.to; x += 20) {
      const seen = pixelOf(MAST[index] ?? camera(0), rayOfCylinder(clock.cylinder, x, 0));
      if (!seen || seen.y < 14.5) t.fail(`view ${index} shows row ${seen?.y} at ${x}`);
    }
  t.throws(() => planCylinder([camera(0), camera(67)], { seamPx: 10, reference: 0 }), RangeError);
  t.ok(
    planCylinder([camera(-27, 0, 3), camera(27, 0, 3)], { seamPx: 20, reference: 0 }).cylinder.height > 600,
    'rolled cameras give up a little of their outer edges, not all of the height',
  );
});

t.test('maps say where each pixel comes from', async (t) => {
  const plan = planCylinder(MAST, { seamPx: 100, reference: 1, width: 600 });
  const columns = plan.regions[1] ?? { from: 0, to: 2 };
  const own = MAST[1] ?? camera(0);
  for (const plane of ['luma', 'chroma'] as const) {
    const step = plane === 'luma' ? 1 : 2;
    const map = warpMap(own, plan.cylinder, columns, plane);
    t.same([map.width, map.height], [(columns.to - columns.from) / step, plan.cylinder.height / step]);
    for (const [column, row] of [
      [0, 0],
      [17, 5],
      [map.width - 1, map.height - 1],
    ] as const) {
      const at = row * map.width + column;
      const source = pixelOf(
        own,
        rayOfCylinder(plan.cylinder, columns.from + column * step, row * step + (step - 1) / 2),
      );
      const x = ((map.x[at] ?? 0) + (map.rightShare[at] ?? 0) / 255) * step;
      const y = ((map.y[at] ?? 0) + (map.lowerShare[at] ?? 0) / 255) * step + (step - 1) / 2;
      t.ok(
        source && Math.hypot(x - source.x, y - source.y) < 0.01 * step,
        `${plane} (${column}, ${row}): (${x.toFixed(2)}, ${y.toFixed(2)})`,
      );
    }
  }
  const shares = [...seamShares(8)];
  t.ok(shares.every((share, index) => index === 0 || share > (shares[index - 1] ?? 0)));
  t.equal((shares[0] ?? 0) + (shares[7] ?? 0), 255, 'both views have the same part in a blend');
  t.same(
    Buffer.from(pgm(2, 1, Uint16Array.of(1, 515))).toString('latin1'),
    'P5\n2 1\n65535\n\x00\x01\x02\x03',
  );
});

t.test('level: without the roll that a common tilt gives', async (t) => {
  const tilted = levelled(
    // The same mast as Hugin sees it, its middle camera at 0, 0, 0.
    [camera(-52.97, -4.26, -9.13), camera(0), camera(52.65, -5.52, 9.24)],
    1,
  );
  for (const { rollDeg, pitchDeg } of tilted)
    t.ok(Math.abs(rollDeg) < 1 && Math.abs(pitchDeg + 12) < 1.2, `roll ${rollDeg}, pitch ${pitchDeg}`);
  t.ok(Math.abs(tilted[1]?.yawDeg ?? 1) < 1e-9);
  const upright = [camera(-54, -12), camera(0, -12), camera(54, -12)];
  for (const [index, each] of levelled(upright, 1).entries())
    for (const angle of ['yawDeg', 'pitchDeg', 'rollDeg'] as const)
      t.ok(Math.abs(each[angle] - (upright[index]?.[angle] ?? 0)) < 1e-3, 'what is level stays');
});

t.test("Hugin's projects", async (t) => {
  const points = pointsBetween(MAST, 0).slice(0, 2);
  const text = huginProject({
    images: MAST.map((each, index) => ({ camera: each, file: `${index}.pgm` })),
    ...{ points, maskedRows: 18, reference: 1 },
  });
  t.same(controlPointsOf(text), points);
  t.same(
    anglesOf(text),
    MAST.map(({ yawDeg, pitchDeg, rollDeg }) => ({ yawDeg, pitchDeg, rollDeg })),
  );
  t.match(text, /^v y0 p0 r0$/m);
  t.notMatch(text, /^v y1/m, 'the reference stays');
  t.match(text, /^k i2 t0 p"0 0 1920 0 1920 18 0 18"$/m);
  const theirs =
    'i w1280 h720 f0 v66 Ra0 Rb0 Eev0 r-9.13473836103035 p-4.25975573117156 y-52.9710442720978 TrX0 Va1 n"v0.pgm"\n' +
    'c n1 N0 x10 y20.5 X1200 Y30 t0\nc n0 N0 x1 y1 X2 Y2 t1\n';
  t.same(anglesOf(theirs), [
    { yawDeg: -52.9710442720978, pitchDeg: -4.25975573117156, rollDeg: -9.13473836103035 },
  ]);
  t.same(controlPointsOf(theirs), [{ left: 0, right: 1, leftX: 1200, leftY: 30, rightX: 10, rightY: 20.5 }]);
  t.throws(() => anglesOf('i w1 h1 r0 p0\n'), RangeError);
});

t.test('points of several moments', async (t) => {
  const still = pointsBetween(MAST, 0).slice(0, 30);
  const moved = still.map((point) => ({ ...point, leftX: point.leftX - 30, rightX: point.rightX - 30 }));
  const nudged = still.map((point) => ({ ...point, leftX: point.leftX + 0.5 }));
  t.equal(mergeMoments([still, nudged]).length, 30);
  t.equal(mergeMoments([[...still, ...moved.slice(0, 5)], nudged]).length, 30, 'what stood still is enough');
  t.equal(mergeMoments([still.slice(0, 4), moved.slice(4, 8)]).length, 8, 'else all are taken');
  t.equal(standingPoints([still, [...nudged.slice(0, 7), ...moved]]).length, 7);
  const [first] = scalePoints(still, [2, 2]);
  t.equal(first?.leftX, ((still[0]?.leftX ?? 0) + 0.5) * 2 - 0.5, 'by the middles of pixels');
});

t.test('what is believed', async (t) => {
  const prior = priorCameras(MAST, { hfovDeg: 66, overlapDeg: 12 }, 1);
  t.same(
    prior.map(({ yawDeg }) => yawDeg),
    [-54, 0, 54],
  );
  t.ok(Math.abs(overlapDeg(prior[0] ?? camera(0), prior[1] ?? camera(0)) - 12) < 1e-9);
  const points = allPoints(MAST);
  t.equal(doubtPoints(NAMES, MAST, points), undefined);
  t.equal(doubtFit(NAMES, MAST, points, prior, 1), undefined);
  t.ok(residualsOf(MAST, points).rmsPx < 1e-6);

  t.match(doubtPoints(NAMES, MAST, points.slice(0, 11)), {
    code: 'too_few_control_points',
    message: /CAM_L and CAM_C have 11 .* 12/,
  });
  t.match(doubtPoints(NAMES, MAST, pointsBetween(MAST, 0)), { message: /CAM_C and CAM_R have 0/ });
  const flat = points.map((point) => ({ ...point, leftY: 500 + (point.leftY % 50) }));
  t.match(doubtPoints(NAMES, MAST, flat), {
    code: 'badly_spread_control_points',
    message: /% of the height/,
  });

  const fit = (index: number, change: Partial<RectilinearCamera>) =>
    doubtFit(
      NAMES,
      MAST.map((each, n) => (n === index ? { ...each, ...change } : each)),
      points,
      prior,
      1,
    );
  t.match(fit(0, { rollDeg: 176 }), {
    code: 'implausible_angles',
    message: 'CAM_L would be rolled by 176.0°; 8.0° are believed',
  });
  t.match(fit(2, { yawDeg: 70 }), { code: 'implausible_angles', message: /CAM_R would be turned 16.0°/ });
  t.match(fit(2, { pitchDeg: 3 }), { code: 'implausible_angles', message: /15.0° higher/ });
  t.match(fit(2, { yawDeg: 65.5 }), { code: 'too_little_overlap' });
  t.match(fit(0, { yawDeg: -53.5 }), { code: 'poor_fit', message: /px apart \(rms\)/ });

  const kept = [{ rmsPx: 0.3 }, { rmsPx: 0.3 }];
  t.equal(doubtKept(NAMES, MAST, kept, points), undefined);
  const turned = [camera(-55, -11, 1), ...MAST.slice(1)];
  t.match(doubtKept(NAMES, MAST, kept, allPoints(turned)), { code: 'poor_fit', message: /CAM_L and CAM_C/ });
  const nearly = [camera(-53.1, -11, 1), ...MAST.slice(1)];
  t.match(
    doubtKept(NAMES, MAST, kept, allPoints(nearly)),
    { code: 'poor_fit' },
    'a tenth of a degree is seen',
  );

  const wrong = { ...(points[0] ?? { left: 0, right: 1, leftY: 0, rightX: 0, rightY: 0 }), leftX: 5 };
  t.equal(withoutOutliers(MAST, [...points, wrong], 1.5).length, points.length);
});

t.test('exposure', async (t) => {
  const left = { y: [] as number[], u: [] as number[], v: [] as number[] };
  const right = { y: [] as number[], u: [] as number[], v: [] as number[] };
  for (let n = 0; n < 400; n++) {
    const y = 40 + ((n * 37) % 120);
    left.y.push(y);
    right.y.push(16 + (y - 16) * 0.8 + 3);
    left.u.push(110 + (n % 20));
    right.u.push(114 + (n % 20));
    left.v.push(120);
    right.v.push(117);
  }
  // A player whom only one of them sees.
  for (let n = 0; n < 20; n++) right.y[n] = 200;
  const pairs: Pairs = { left, right };
  const before = stepOf(pairs);
  t.ok(before && before.y < -5 && before.u === 4 && before.v === -3, JSON.stringify(before));
  const found = matchLevels(right, left);
  if (!found) throw new Error('there is enough to compare');
  t.ok(Math.abs(found.y.gain - 1.25) < 0.02, `gain ${found.y.gain}`);
  const after = stepOf(pairs, UNCHANGED, found);
  for (const plane of ['y', 'u', 'v'] as const)
    t.ok(Math.abs(after?.[plane] ?? 9) < 0.6, `${plane}: ${after?.[plane]}`);
  t.same(afterwards(found, UNCHANGED), found);
  const twice = afterwards(
    { ...UNCHANGED, y: { gain: 2, offset: 3 } },
    { ...UNCHANGED, y: { gain: 0.5, offset: 1 } },
  );
  t.same(twice.y, { gain: 1, offset: 2.5 });
  const few = { y: [50, 60], u: [128, 128], v: [128, 128] };
  t.equal(matchLevels(few, few), undefined);
  t.equal(stepOf({ left: few, right: few }), null);
});

t.test('segments', async (t) => {
  const cut = (frames: number) => segmentsOf(frames, 30, 60).map((each) => [each.firstFrame, each.frames]);
  t.same(cut(45), [[0, 45]]);
  t.same(cut(1800), [[0, 1800]]);
  t.same(cut(2500), [[0, 2500]], 'the last is a little longer rather than followed by a short one');
  t.same(cut(2800), [
    [0, 1800],
    [1800, 1000],
  ]);
  const match = segmentsOf(162_000, 30, 60);
  t.equal(match.length, 90);
  t.equal(
    match.reduce((sum, { frames }) => sum + frames, 0),
    162_000,
  );
});
