import { pixelOf, type RectilinearCamera } from '../camera-geometry/rectilinear.ts';
import { type Development, develop, EVEN_EXPOSURE, type Exposure } from './exposure.ts';
import { MAST } from './measures.ts';
import { type Area, areaAround, type Picture } from './picture.ts';
import { BALL_RADIUS_M, ballAt, type Kit, type Player, playersAt } from './players.ts';

/** A sample of each plane; chroma as distances from 128. */
interface Paint {
  readonly y: number;
  readonly u: number;
  readonly v: number;
}

/** A stroke with round ends, in metres to the right of and above the feet. */
interface Stroke {
  readonly fromX: number;
  readonly fromY: number;
  readonly toX: number;
  readonly toY: number;
  readonly radius: number;
  readonly paint: Paint;
}

/** A place in the picture and how many pixels a metre is long there, `upX` and `upY` pixels per metre upwards. */
interface Standing {
  readonly x: number;
  readonly y: number;
  readonly upX: number;
  readonly upY: number;
}

const TALL_M = 1.8;
const REACH_M = 0.75;
const GREY_ONLY: Paint = { y: 16, u: 0, v: 0 };
/** How much a shadow takes of what lies in it. */
const SHADOW = 0.42;

/** Shirt and shorts as red, green, blue. */
const KITS: Record<Kit, { shirt: number[]; shorts: number[]; socks: number[] }> = {
  home: { shirt: [196, 38, 46], shorts: [240, 240, 240], socks: [196, 38, 46] },
  away: { shirt: [238, 240, 244], shorts: [30, 44, 110], socks: [238, 240, 244] },
  'home keeper': { shirt: [240, 200, 40], shorts: [30, 30, 30], socks: [240, 200, 40] },
  'away keeper': { shirt: [60, 190, 200], shorts: [20, 60, 80], socks: [60, 190, 200] },
  referee: { shirt: [26, 26, 30], shorts: [26, 26, 30], socks: [26, 26, 30] },
};
const SKIN = [
  [214, 170, 140],
  [150, 104, 78],
  [96, 66, 50],
];
const HAIR = [40, 30, 24];
const BALL = [246, 246, 246];

/** Draws all who are on the pitch at an instant. */
export interface PlayerDrawer {
  /** Draws into a picture of the camera's size; returns what was touched. */
  draw(picture: Picture, wallUs: number): Area[];
}

export function playerDrawer(camera: RectilinearCamera, exposure: Partial<Exposure> = {}): PlayerDrawer {
  const development = develop(camera, { ...EVEN_EXPOSURE, ...exposure, vignette: 0, noise: 0 });
  const paints = new Map<string, Paint>();
  const paintOf = (colour: readonly number[]): Paint => {
    const key = colour.join();
    const known = paints.get(key) ?? develope(development, colour);
    paints.set(key, known);
    return known;
  };
  return {
    draw(picture, wallUs) {
      const touched: Area[] = [];
      const players = playersAt(wallUs).map((player, number) => ({ player, number }));
      // The farther ones first: nearer ones stand before them.
      players.sort((a, b) => b.player.y - a.player.y);
      for (const { player, number } of players) {
        const standing = standingAt(camera, player.x, player.y, 0);
        if (standing === undefined) continue;
        const area = areaAround(picture, boxOf(standing, REACH_M, TALL_M + 0.1));
        if (area === undefined) continue;
        drawShadow(picture, standing, 0.42);
        drawStrokes(picture, standing, area, bodyOf(player, number, paintOf));
        touched.push(area);
      }
      const ball = ballAt(wallUs);
      const shadow = standingAt(camera, ball.x, ball.y, 0);
      const place = standingAt(camera, ball.x, ball.y, ball.z);
      if (shadow === undefined || place === undefined) return touched;
      const under = areaAround(picture, boxOf(shadow, 0.4, 0.2));
      const around = areaAround(picture, boxOf(place, 0.3, 0.3));
      if (under !== undefined) {
        drawShadow(picture, shadow, BALL_RADIUS_M * 1.3);
        touched.push(under);
      }
      if (around !== undefined) {
        const stroke = {
          fromX: 0,
          fromY: 0,
          toX: 0,
          toY: 0,
          radius: BALL_RADIUS_M * 1.2,
          paint: paintOf(BALL),
        };
        drawStrokes(picture, place, around, [stroke]);
        touched.push(around);
      }
      return touched;
    },
  };
}

function standingAt(camera: RectilinearCamera, x: number, y: number, z: number): Standing | undefined {
  const ahead = y + MAST.beforeTouchlineM;
  const feet = pixelOf(camera, { right: x, ahead, up: z - MAST.heightM });
  const above = pixelOf(camera, { right: x, ahead, up: z - MAST.heightM + 1 });
  if (feet === undefined || above === undefined) return undefined;
  return { x: feet.x, y: feet.y, upX: above.x - feet.x, upY: above.y - feet.y };
}

/** The box around everything within `reach` beside and up to `high` above a place, with a margin below for shadows. */
function boxOf({ x, y, upX, upY }: Standing, reach: number, high: number): Area {
  const scale = Math.hypot(upX, upY);
  const side = reach * scale + 2;
  return {
    left: Math.min(x, x + high * upX) - side,
    right: Math.max(x, x + high * upX) + side,
    top: y + high * upY - 2,
    bottom: y + 0.3 * scale + 2,
  };
}

function bodyOf(player: Player, number: number, paintOf: (colour: readonly number[]) => Paint): Stroke[] {
  const { shirt, shorts, socks } = KITS[player.kit];
  const skin = paintOf(SKIN[number % SKIN.length] ?? HAIR);
  const step = 0.1 + 0.3 * player.effort * Math.sin(player.stride);
  const lift = 0.12 * player.effort * Math.max(0, Math.cos(player.stride));
  const drop = 0.12 * player.effort * Math.max(0, -Math.cos(player.stride));
  const line = (
    fromX: number,
    fromY: number,
    toX: number,
    toY: number,
    radius: number,
    paint: Paint,
  ): Stroke => ({
    ...{ fromX, fromY, toX, toY },
    ...{ radius, paint },
  });
  const [shirtPaint, shortsPaint, socksPaint] = [paintOf(shirt), paintOf(shorts), paintOf(socks)];
  return [
    line(-0.08, 0.8, -step * 0.6, 0.45 + lift, 0.075, skin),
    line(0.08, 0.8, step * 0.6, 0.45 + drop, 0.075, skin),
    line(-step * 0.6, 0.45 + lift, -step, 0.06 + lift, 0.065, socksPaint),
    line(step * 0.6, 0.45 + drop, step, 0.06 + drop, 0.065, socksPaint),
    line(-0.07, 0.82, 0.07, 0.82, 0.14, shortsPaint),
    line(-0.2, 1.36, -0.26 + step * 0.5, 1, 0.055, skin),
    line(0.2, 1.36, 0.26 - step * 0.5, 1, 0.055, skin),
    line(-0.08, 1.02, -0.1, 1.34, 0.12, shirtPaint),
    line(0.08, 1.02, 0.1, 1.34, 0.12, shirtPaint),
    line(0, 1.62, 0, 1.64, 0.11, skin),
    line(-0.02, 1.71, 0.02, 1.71, 0.085, paintOf(HAIR)),
  ];
}

function drawStrokes(picture: Picture, standing: Standing, area: Area, strokes: readonly Stroke[]): void {
  for (const stroke of strokes) {
    blend(picture.y, picture.width, 1, area, standing, stroke, stroke.paint.y);
    blend(picture.u, picture.width / 2, 2, area, standing, stroke, 128 + stroke.paint.u);
    blend(picture.v, picture.width / 2, 2, area, standing, stroke, 128 + stroke.paint.v);
  }
}

/** Blends a stroke into one plane, whose samples are `step` pixels apart. */
function blend(
  plane: Uint8Array,
  stride: number,
  step: number,
  area: Area,
  { x, y, upX, upY }: Standing,
  { fromX, fromY, toX, toY, radius }: Stroke,
  value: number,
): void {
  const scale = Math.hypot(upX, upY);
  // To the right of "up" is up turned clockwise.
  const startX = x + fromY * upX - fromX * upY;
  const startY = y + fromY * upY + fromX * upX;
  const endX = x + toY * upX - toX * upY;
  const endY = y + toY * upY + toX * upX;
  const reach = radius * scale;
  const [left, right] = range(startX, endX, reach, step, area.left, area.right);
  const [top, bottom] = range(startY, endY, reach, step, area.top, area.bottom);
  const alongX = endX - startX;
  const alongY = endY - startY;
  const lengthSquared = alongX ** 2 + alongY ** 2;
  const middle = (step - 1) / 2;
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++) {
      const dx = column * step + middle - startX;
      const dy = row * step + middle - startY;
      const share =
        lengthSquared === 0 ? 0 : Math.max(0, Math.min(1, (dx * alongX + dy * alongY) / lengthSquared));
      const distance = Math.sqrt((dx - share * alongX) ** 2 + (dy - share * alongY) ** 2);
      const cover = (reach - distance) / step + 0.5;
      if (cover <= 0) continue;
      const place = row * stride + column;
      const old = plane[place] ?? 0;
      plane[place] = cover >= 1 ? value : old + cover * (value - old);
    }
}

/** Samples from which on and up to which a stroke reaches, within an area. */
function range(
  a: number,
  b: number,
  reach: number,
  step: number,
  from: number,
  to: number,
): [number, number] {
  const first = Math.floor((Math.min(a, b) - reach) / step) - 1;
  const last = Math.ceil((Math.max(a, b) + reach) / step) + 2;
  return [Math.max(from / step, first), Math.min(to / step, last)];
}

/** Darkens a flat ellipse on the ground around a place. */
function drawShadow(picture: Picture, { x, y, upX, upY }: Standing, radiusM: number): void {
  const wide = radiusM * Math.hypot(upX, upY);
  const flat = wide * 0.35;
  const area = areaAround(picture, { left: x - wide, right: x + wide, top: y - flat, bottom: y + flat });
  if (area === undefined) return;
  for (let row = area.top; row < area.bottom; row++)
    for (let column = area.left; column < area.right; column++) {
      const outside = ((column - x) / wide) ** 2 + ((row - y) / flat) ** 2;
      if (outside >= 1) continue;
      const place = row * picture.width + column;
      const old = picture.y[place] ?? 0;
      picture.y[place] = old - SHADOW * (1 - outside) * (old - GREY_ONLY.y);
    }
}

function develope(development: Development, colour: readonly number[]): Paint {
  const chroma = new Float64Array(2);
  const y = development.luma(0, 0, Float64Array.from(colour), chroma);
  return { y, u: chroma[0] ?? 0, v: chroma[1] ?? 0 };
}
