import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pixelOf, type Ray, type RectilinearCamera, rayOf } from '#domain/camera-geometry/rectilinear.ts';

/** An equirectangular panorama of the whole sphere, 0.05 degrees per pixel. */
const PANORAMA = { width: 7200, height: 3600 };

/** Where Hugin's own program sees pixels of a camera in the panorama. */
async function panoTrafo(
  dir: string,
  camera: RectilinearCamera,
  pixels: readonly (readonly [number, number])[],
) {
  const file = join(dir, 'camera.pto');
  writeFileSync(
    file,
    `p f2 w${PANORAMA.width} h${PANORAMA.height} v360 n"TIFF_m"\n` +
      `i w${camera.width} h${camera.height} f0 v${camera.hfovDeg} y${camera.yawDeg} p${camera.pitchDeg} r${camera.rollDeg} n"a.png"\n`,
  );
  const program = spawn('pano_trafo', [file, '0'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let out = '';
  program.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  program.stdin.end(pixels.map(([x, y]) => `${x} ${y}\n`).join(''));
  await once(program, 'close');
  return out
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).map(Number));
}

function equirectangular({ right, ahead, up }: Ray): [number, number] {
  const perRadian = PANORAMA.width / (2 * Math.PI);
  return [
    (PANORAMA.width - 1) / 2 + Math.atan2(right, ahead) * perRadian,
    (PANORAMA.height - 1) / 2 - Math.atan2(up, Math.hypot(right, ahead)) * perRadian,
  ];
}

t.test('yaw, pitch, roll and field of view mean what they mean to Hugin', async (t) => {
  const cameras: RectilinearCamera[] = [
    { width: 1920, height: 1080, hfovDeg: 60, yawDeg: 0, pitchDeg: 0, rollDeg: 0 },
    { width: 1920, height: 1080, hfovDeg: 60, yawDeg: 30, pitchDeg: -14, rollDeg: 5 },
    { width: 1280, height: 720, hfovDeg: 75, yawDeg: -48.3, pitchDeg: 21, rollDeg: -33 },
    { width: 720, height: 1280, hfovDeg: 40, yawDeg: 151, pitchDeg: 3, rollDeg: 90 },
  ];
  for (const camera of cameras) {
    const pixels = [0, 0.31, 0.5, 0.77, 1].flatMap((across) =>
      [0, 0.4, 1].map((down) => [across * (camera.width - 1), down * (camera.height - 1)] as const),
    );
    const theirs = await panoTrafo(t.testdir({}), camera, pixels);
    t.equal(theirs.length, pixels.length);
    const off = pixels.map(([x, y], n) => {
      const [ourX, ourY] = equirectangular(rayOf(camera, x, y));
      return Math.hypot(ourX - (theirs[n]?.[0] ?? Number.NaN), ourY - (theirs[n]?.[1] ?? Number.NaN));
    });
    t.ok(Math.max(...off) < 1e-3, `${JSON.stringify(camera)}: at most ${Math.max(...off)} pixels apart`);
    const back = pixels.map(([x, y]) => {
      const pixel = pixelOf(camera, rayOf(camera, x, y));
      return Math.hypot((pixel?.x ?? Number.NaN) - x, (pixel?.y ?? Number.NaN) - y);
    });
    t.ok(Math.max(...back) < 1e-6, 'and back again');
  }
});
