import t from 'tap';
import { isInside, pixelOf, type RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import { MAST, PITCH } from '#domain/pitch/measures.ts';
import { areaAround } from '#domain/pitch/picture.ts';
import { ballAt, playersAt } from '#domain/pitch/players.ts';
import { renderPitch } from '#domain/pitch/render.ts';
import { matchScene } from '#domain/pitch/scene.ts';

const KICK_OFF_US = 1_800_000_000_000_000;
const PLAIN = { texture: 'plain' } as const;
const camera = (yawDeg: number): RectilinearCamera => ({
  ...{ width: 640, height: 360 },
  ...{ hfovDeg: 60, yawDeg, pitchDeg: -15, rollDeg: 0 },
});

t.test('players and ball stay on the pitch and move as fast as players and balls do', (t) => {
  let fastest = 0;
  let fastestBall = 0;
  const perSec = 25;
  for (let n = 0; n < 60 * perSec; n++) {
    const nowUs = KICK_OFF_US + (n * 1e6) / perSec;
    const soonUs = nowUs + 1e6 / perSec;
    const later = playersAt(soonUs);
    for (const [number, { x, y }] of playersAt(nowUs).entries()) {
      const next = later[number];
      fastest = Math.max(fastest, Math.hypot((next?.x ?? 0) - x, (next?.y ?? 0) - y) * perSec);
      if (Math.abs(x) > PITCH.lengthM / 2 || y < 0 || y > PITCH.widthM)
        t.fail(`player ${number} at ${x}, ${y}`);
    }
    const ball = ballAt(nowUs);
    const next = ballAt(soonUs);
    fastestBall = Math.max(fastestBall, Math.hypot(next.x - ball.x, next.y - ball.y) * perSec);
    if (ball.z < 0.1 || ball.z > 12) t.fail(`a ball at a height of ${ball.z} m`);
  }
  t.ok(fastest > 2 && fastest < 7, `players run at ${fastest} m/s`);
  t.ok(fastestBall > 10 && fastestBall < 50, `the ball flies at ${fastestBall} m/s`);
  t.end();
});

t.test(
  'at an instant all cameras see everybody in the same place, and only there something has changed',
  (t) => {
    const nowUs = KICK_OFF_US + 7_300_000;
    let seen = 0;
    for (const yaw of [-48, 0, 48]) {
      const from = camera(yaw);
      const empty = renderPitch(from, PLAIN);
      const scene = matchScene(from, empty);
      scene.pictureAt(nowUs - 500_000);
      const { y: luma } = scene.pictureAt(nowUs);
      const unexplained = luma.map((value, n) => Number(value !== empty.y[n]));
      const ball = ballAt(nowUs);
      for (const { x, y, height } of [
        ...playersAt(nowUs).map(({ x, y }) => ({ x, y, height: 1.8 })),
        { x: ball.x, y: ball.y, height: ball.z + 0.2 },
      ]) {
        const at = (z: number) =>
          pixelOf(from, { right: x, ahead: y + MAST.beforeTouchlineM, up: z - MAST.heightM });
        const [feet, head, waist] = [at(0), at(height), at(height / 2)];
        if (feet === undefined || head === undefined || waist === undefined) continue;
        if (isInside(from, waist) && height === 1.8) {
          seen++;
          const place = Math.round(waist.y) * from.width + Math.round(waist.x);
          t.not(luma[place], empty.y[place], `yaw ${yaw}: somebody at ${x.toFixed(1)}, ${y.toFixed(1)}`);
        }
        const tall = Math.hypot(feet.x - head.x, feet.y - head.y);
        const area = areaAround(from, {
          left: Math.min(feet.x, head.x) - tall,
          right: Math.max(feet.x, head.x) + tall,
          top: head.y - 0.3 * tall - 3,
          bottom: feet.y + 0.5 * tall + 3,
        });
        if (area === undefined) continue;
        for (let row = area.top; row < area.bottom; row++)
          unexplained.fill(0, row * from.width + area.left, row * from.width + area.right);
      }
      t.equal(
        unexplained.reduce((sum, one) => sum + one, 0),
        0,
        `yaw ${yaw}: nothing else has changed`,
      );
    }
    t.ok(seen >= 13, `${seen} of 13 players are seen`);
    t.end();
  },
);
