import t from 'tap';
import { pixelOf, type RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import { MAST } from '#domain/pitch/measures.ts';
import { renderPitch } from '#domain/pitch/render.ts';

const camera = (yawDeg = 0, over: Partial<RectilinearCamera> = {}): RectilinearCamera => ({
  width: 320,
  height: 180,
  hfovDeg: 60,
  yawDeg,
  pitchDeg: -15,
  rollDeg: 0,
  ...over,
});

/** Where a place on the ground is seen. */
function seen(from: RectilinearCamera, x: number, y: number): { x: number; y: number } {
  const pixel = pixelOf(from, { right: x, ahead: y + MAST.beforeTouchlineM, up: -MAST.heightM });
  if (pixel === undefined) throw new Error(`(${x}, ${y}) is behind the camera`);
  return pixel;
}

const mean = (values: Uint8Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

t.test('lines are where the laws of the game put them', (t) => {
  const big = camera(0, { width: 1280, height: 720 });
  const right = camera(48, { width: 1280, height: 720 });
  const pictures = new Map([big, right].map((from) => [from, renderPitch(from)]));
  for (const [from, x, y, what] of [
    [big, 0, 10, 'halfway line'],
    [big, 9.15, 34, 'centre circle'],
    [right, 45, 0, 'near touchline'],
    [right, 36, 20, 'front of the penalty area'],
    [right, 52.5, 20, 'goal line'],
  ] as const) {
    const picture = pictures.get(from);
    const lumaAt = (x: number, y: number): number => {
      const pixel = seen(from, x, y);
      return picture?.y[Math.round(pixel.y) * from.width + Math.round(pixel.x)] ?? Number.NaN;
    };
    const line = lumaAt(x, y);
    const beside = lumaAt(x + 1.5, y + 1.5);
    t.ok(line > beside + 15, `${what}: ${line} beside ${beside}`);
  }
  t.end();
});

t.test('two cameras on the mast see the same blade of grass, and another seed grows other ones', (t) => {
  const left = camera(-24, { width: 1280, height: 720 });
  const right = camera(24, { width: 1280, height: 720 });
  const views = [left, right].map((from) => ({ from, picture: renderPitch(from) }));
  const other = { from: right, picture: renderPitch(right, { seed: 2 }) };
  const differences = (all: typeof views): number => {
    let total = 0;
    let count = 0;
    for (let y = 6; y < 30; y += 0.37)
      for (let x = -1.5; x < 1.5; x += 0.23) {
        const lumas = all.map(({ from, picture }) => bilinear(picture.y, from.width, seen(from, x, y)));
        total += Math.abs((lumas[0] ?? 0) - (lumas[1] ?? 0));
        count++;
      }
    return total / count;
  };
  const same = differences(views);
  const strange = differences([views[0] as (typeof views)[0], other]);
  t.ok(same < 3 && strange > 3 * same, `apart by ${same} and ${strange} levels`);
  t.end();
});

t.test('an exposure changes light and colour by what it says', (t) => {
  const plain = { texture: 'plain' } as const;
  const even = renderPitch(camera(), plain);
  t.ok(new Set(even.y).size <= 12, 'a plain pitch has nothing on it');
  const brighter = renderPitch(camera(), { ...plain, exposure: { gain: 1.2 } });
  const ratio = (mean(brighter.y) - 16) / (mean(even.y) - 16);
  t.ok(Math.abs(ratio - 1.2 ** (1 / 2.2)) < 0.01, `luma times ${ratio}`);
  const warmer = renderPitch(camera(), { ...plain, exposure: { red: 1.1, blue: 0.9 } });
  t.ok(mean(warmer.v) > mean(even.v) + 1 && mean(warmer.u) < mean(even.u) - 1);
  const darkCorners = renderPitch(camera(), { ...plain, exposure: { vignette: 0.4 } });
  t.ok((darkCorners.y[0] ?? 255) < (even.y[0] ?? 0) - 20, 'light is lost in the corners');
  const middle = 100 * 320 + 160;
  t.ok(Math.abs((darkCorners.y[middle] ?? 0) - (even.y[middle] ?? 0)) <= 1, 'and none in the middle');
  const grainy = renderPitch(camera(), { ...plain, exposure: { noise: 3 } });
  const below = (samples: Uint8Array): number[] => [...samples.subarray(100 * 320)];
  const level = mean(even.y.subarray(100 * 320));
  const deviation = Math.sqrt(
    below(grainy.y).reduce((sum, value) => sum + (value - level) ** 2, 0) / below(grainy.y).length,
  );
  t.ok(Math.abs(deviation - 3) < 0.3, `noise of ${deviation} levels`);
  t.same(
    renderPitch(camera(), { exposure: { noise: 3 } }),
    renderPitch(camera(), { exposure: { noise: 3 } }),
  );
  t.end();
});

function bilinear(samples: Uint8Array, width: number, { x, y }: { x: number; y: number }): number {
  const column = Math.floor(x);
  const row = Math.floor(y);
  const at = (dx: number, dy: number): number => samples[(row + dy) * width + column + dx] ?? Number.NaN;
  const above = at(0, 0) + (x - column) * (at(1, 0) - at(0, 0));
  const below = at(0, 1) + (x - column) * (at(1, 1) - at(0, 1));
  return above + (y - row) * (below - above);
}
