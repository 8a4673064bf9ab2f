import { ARCS, BARS, CIRCLE_RADIUS_M, LINE_WIDTH_M, MAST, PITCH, SPOTS } from './measures.ts';
import { fractalAt, mix, type Octaves, smooth } from './noise.ts';

/** A place on the ground as a pixel sees it. */
export interface GroundPatch {
  x: number;
  y: number;
  /** How far the pixel reaches along x and along y, metres. */
  reachX: number;
  reachY: number;
}

/** Red, green and blue from 0 to 255, as encoded for a screen. */
export type Colour = Float64Array;

const GRASS: Octaves = { finest: 0.05, coarsest: 13, growth: 0.93, seed: 11 };
const TINT: Octaves = { finest: 1.6, coarsest: 26, growth: 1.2, seed: 41 };
const WEAR: Octaves = { finest: 0.2, coarsest: 3.2, growth: 1.3, seed: 71 };
/** Twenty stripes from goal line to goal line. */
const STRIPE_M = PITCH.lengthM / 20;
/** The mown grass goes on this far outside the lines. */
const MARGIN_M = 4;

/** The colour of the ground: grass, stripes of the mower, worn places, lines. */
export function shadeGround(patch: GroundPatch, seed: number, colour: Colour): void {
  const { x, y, reachX, reachY } = patch;
  const reach = Math.max(reachX, reachY);
  const mown =
    coverage(x, -PITCH.lengthM / 2 - MARGIN_M, PITCH.lengthM / 2 + MARGIN_M, reachX) *
    coverage(y, -MARGIN_M, PITCH.widthM + MARGIN_M, reachY);
  const blades = fractalAt(x, y, reach, GRASS, seed);
  const tint = fractalAt(x, y, reach, TINT, seed);
  const stripe = mown * stripes(x, reachX);
  const worn = mown * wear(x, y, reach, seed);
  const light = 1 + 0.08 * blades + 0.06 * stripe;
  colour[0] = light * mix(mix(92, 70, mown) + 5 * tint, 128, worn);
  colour[1] = light * mix(mix(104, 118, mown) + 3 * tint, 112, worn);
  colour[2] = light * mix(mix(58, 52, mown) + 2 * tint, 74, worn);
  const paint = 0.88 * markings(patch) * (1 - 0.25 * Math.max(0, Math.min(1, 0.5 * blades)));
  if (paint > 0) {
    colour[0] = mix(colour[0] ?? 0, 232, paint);
    colour[1] = mix(colour[1] ?? 0, 236, paint);
    colour[2] = mix(colour[2] ?? 0, 226, paint);
  }
}

/** From -1 (rolled towards us) to 1 (away from us), grey where stripes are finer than a pixel. */
function stripes(x: number, reachX: number): number {
  const place = x / STRIPE_M;
  const number = Math.floor(place);
  const toEdge = Math.min(place - number, number + 1 - place) * STRIPE_M;
  const sharpness = Math.min(1, toEdge / Math.max(0.15, reachX));
  return (number & 1 ? -1 : 1) * sharpness;
}

/** Where players wore the grass off, 0 to 1: before the goals, around the middle, along the line of the assistant referee. */
function wear(x: number, y: number, reach: number, seed: number): number {
  const fromMiddle = (y - PITCH.widthM / 2) ** 2;
  const goalMouth = ((PITCH.lengthM / 2 - 3 - Math.abs(x)) / 4) ** 2 + fromMiddle / 25;
  const kickOff = (x ** 2 + fromMiddle) / 9;
  const runway = ((y + 1) / 0.7) ** 2;
  const nearestSquared = Math.min(goalMouth, kickOff, runway);
  if (nearestSquared >= 1) return 0;
  const nearest = Math.sqrt(nearestSquared);
  const patchy = 0.5 + 0.35 * fractalAt(x, y, reach, WEAR, seed);
  return 0.8 * smooth(1 - nearest) * Math.max(0, Math.min(1, patchy));
}

/** How much of the pixel is painted white, 0 to 1. */
function markings({ x, y, reachX, reachY }: GroundPatch): number {
  let most = 0;
  for (const bar of BARS) {
    if (x + reachX < bar.fromX || x - reachX > bar.toX) continue;
    if (y + reachY < bar.fromY || y - reachY > bar.toY) continue;
    most = Math.max(most, coverage(x, bar.fromX, bar.toX, reachX) * coverage(y, bar.fromY, bar.toY, reachY));
  }
  for (const { x: middleX, y: middleY, radius, beyond } of ARCS) {
    const margin = radius + LINE_WIDTH_M + Math.max(reachX, reachY);
    if (Math.abs(x - middleX) > margin || Math.abs(y - middleY) > margin) continue;
    if (beyond !== undefined && Math.abs(x) > beyond) continue;
    if (radius < CIRCLE_RADIUS_M && (Math.abs(x) > PITCH.lengthM / 2 || y < 0 || y > PITCH.widthM)) continue;
    const distance = Math.hypot(x - middleX, y - middleY);
    const reach = reachAlong(x - middleX, y - middleY, distance, reachX, reachY);
    most = Math.max(most, coverage(distance, radius - LINE_WIDTH_M / 2, radius + LINE_WIDTH_M / 2, reach));
  }
  for (const { x: middleX, y: middleY, radius } of SPOTS) {
    if (Math.abs(x - middleX) > 1 || Math.abs(y - middleY) > 1) continue;
    const distance = Math.hypot(x - middleX, y - middleY);
    const reach = reachAlong(x - middleX, y - middleY, distance, reachX, reachY);
    most = Math.max(most, coverage(distance, -radius, radius, reach));
  }
  return most;
}

/** How far the pixel reaches along the direction (dx, dy). */
function reachAlong(dx: number, dy: number, length: number, reachX: number, reachY: number): number {
  return length === 0 ? Math.max(reachX, reachY) : (Math.abs(dx) * reachX + Math.abs(dy) * reachY) / length;
}

/** The share of the interval of length `reach` around `at` that lies between `from` and `to`. */
function coverage(at: number, from: number, to: number, reach: number): number {
  const covered = Math.min(to, at + reach / 2) - Math.max(from, at - reach / 2);
  return covered <= 0 ? 0 : Math.min(1, covered / reach);
}

/** Farther than this from the foot of the mast the ground is no longer seen: the surroundings begin. */
export const GROUND_ENDS_M = PITCH.widthM + MAST.beforeTouchlineM + 60;
