import type { Colour } from './ground.ts';
import { GOAL, MAST, PITCH } from './measures.ts';
import { fractalAt, hashOf, mix, noiseAt, type Octaves } from './noise.ts';

/**
 * What stands around the pitch, each a flat surface with a place of its own: boards, goals, a stand, and far away
 * trees, houses and clouds, which have a direction only.
 */
export type Surface = 'ground' | 'board' | 'goal' | 'stand' | 'trees' | 'house' | 'sky';

/** What a line of sight ends at. */
export interface Hit {
  surface: Surface;
  /** Place on the surface: metres along it and above the ground, or degrees to the right and up. */
  along: number;
  above: number;
  /** Width of a pixel there, in the same unit. */
  reach: number;
  /** Which one, when there are several alike. */
  number: number;
}

const BOARD = { farY: PITCH.widthM + 5, sideX: PITCH.lengthM / 2 + 6, nearY: -4, heightM: 1 };
const STAND = { y: PITCH.widthM + 10, halfWidthM: 41, floorM: 2.2, roofM: 9.4, topM: 10.3 };
const MIDDLE_Y = PITCH.widthM / 2;
const DEGREES = 180 / Math.PI;
/** Trees and houses stand in slots of this width all around. */
const HOUSE_SLOT_DEG = 7;

/** Finds what is seen along a direction above the ground; `pixel` is the width of a pixel as a share of the direction's length. False when nothing stands there. */
export function lookAround(right: number, ahead: number, up: number, pixel: number, hit: Hit): boolean {
  const side = right < 0 ? -1 : 1;
  const farther = Math.abs(right);
  // Nearest first: goal, boards at the sides, boards on the far side, stand.
  const goal = PITCH.lengthM / 2 / farther;
  if (inGoal(ahead * goal - MAST.beforeTouchlineM, MAST.heightM + up * goal, hit)) {
    hit.reach = pixel * goal;
    hit.number = side;
    return true;
  }
  const sides = BOARD.sideX / farther;
  const sidesY = ahead * sides - MAST.beforeTouchlineM;
  const sidesZ = MAST.heightM + up * sides;
  if (sidesZ >= 0 && sidesZ < BOARD.heightM && sidesY > BOARD.nearY && sidesY < BOARD.farY)
    return found(hit, 'board', sidesY, sidesZ, pixel * sides, side);
  if (ahead > 0) {
    const boards = (BOARD.farY + MAST.beforeTouchlineM) / ahead;
    const boardsZ = MAST.heightM + up * boards;
    if (boardsZ >= 0 && boardsZ < BOARD.heightM && farther * boards < BOARD.sideX)
      return found(hit, 'board', right * boards, boardsZ, pixel * boards, 0);
    const stand = (STAND.y + MAST.beforeTouchlineM) / ahead;
    const standZ = MAST.heightM + up * stand;
    if (standZ >= 0 && standZ < STAND.topM && farther * stand < STAND.halfWidthM)
      return found(hit, 'stand', right * stand, standZ, pixel * stand, 0);
  }
  return false;
}

/** What is seen where neither ground nor anything near is. */
export function lookFar(
  right: number,
  ahead: number,
  up: number,
  pixel: number,
  seed: number,
  hit: Hit,
): void {
  const bearing = Math.atan2(right, ahead) * DEGREES;
  const elevation = Math.atan2(up, Math.hypot(right, ahead)) * DEGREES;
  const reach = pixel * DEGREES;
  const slot = Math.floor(bearing / HOUSE_SLOT_DEG);
  const inSlot = bearing - slot * HOUSE_SLOT_DEG;
  const left = hashOf(slot, 1, seed) * 3;
  const wide = 1.2 + 2.4 * hashOf(slot, 2, seed);
  const high = 0.4 + 2.2 * hashOf(slot, 3, seed);
  const gable = hashOf(slot, 4, seed) * (1 - Math.abs((2 * (inSlot - left)) / wide - 1));
  const treetops = 1.1 + 0.13 * fractalAt(bearing, 0, reach, TREETOPS, seed);
  if (hashOf(slot, 5, seed) < 0.55 && inSlot > left && inSlot < left + wide && elevation < high + gable)
    found(hit, 'house', inSlot - left, elevation, reach, slot);
  else if (elevation < treetops) found(hit, 'trees', bearing, elevation, reach, 0);
  else found(hit, 'sky', bearing, elevation, reach, 0);
}

function found(
  hit: Hit,
  surface: Surface,
  along: number,
  above: number,
  reach: number,
  number: number,
): true {
  hit.surface = surface;
  hit.along = along;
  hit.above = above;
  hit.reach = reach;
  hit.number = number;
  return true;
}

/** Posts and crossbar; what is seen through the mouth of the goal is behind it. */
function inGoal(y: number, z: number, hit: Hit): boolean {
  const fromMiddle = Math.abs(y - MIDDLE_Y);
  const { halfWidthM, heightM, postM } = GOAL;
  if (z < 0 || z > heightM + postM || fromMiddle > halfWidthM + postM) return false;
  if (z < heightM && fromMiddle < halfWidthM) return false;
  found(hit, 'goal', y, z, 0, 0);
  return true;
}

/** Crowns of single trees, and their leaves. */
const TREETOPS: Octaves = { finest: 0.12, coarsest: 8, growth: 1.5, seed: 101 };
const LEAVES: Octaves = { finest: 0.06, coarsest: 2, growth: 1.15, seed: 131 };
const CLOUDS: Octaves = { finest: 0.5, coarsest: 16, growth: 1.5, seed: 161 };
const PLASTER: Octaves = { finest: 0.1, coarsest: 1.6, growth: 1.2, seed: 191 };

/** Colours of what was found, by surface. */
export const SHADES: Record<Exclude<Surface, 'ground'>, (hit: Hit, seed: number, colour: Colour) => void> = {
  goal: (_hit, _seed, colour) => paint(colour, 238, 240, 240),
  board: shadeBoard,
  stand: shadeStand,
  house: shadeHouse,
  trees({ along, above, reach }, seed, colour) {
    const leaves = fractalAt(along, above * 1.3, reach, LEAVES, seed);
    const kind = noiseAt(along / 2.1, 7, seed);
    const light = 1 + 0.16 * leaves + 0.06 * above;
    paint(colour, light * (58 + 16 * kind), light * (80 + 6 * kind), light * (44 - 4 * kind));
  },
  sky({ along, above, reach }, seed, colour) {
    const cloud = fractalAt(along, above * 4, reach, CLOUDS, seed);
    const white = Math.max(0, Math.min(1, 0.35 + 0.28 * cloud - 0.012 * above));
    paint(colour, mix(150, 236, white), mix(186, 238, white), mix(226, 240, white));
  },
};

function shadeBoard({ along, above, reach, number }: Hit, seed: number, colour: Colour): void {
  const panel = Math.floor(along / 6);
  const drawn = (part: number): number => hashOf(panel, 10 * number + part, seed);
  const dark = drawn(0) < 0.5;
  const base = dark ? 30 : 150;
  paint(colour, base + 80 * drawn(1), base + 80 * drawn(2), base + 80 * drawn(3));
  // Letters of five by seven cells, made up, with a blank column between two.
  const column = Math.floor((along - panel * 6) / 0.1);
  const row = Math.floor((above - 0.16) / 0.1);
  const letter = Math.floor(column / 6);
  const inside = row >= 0 && row < 7 && column % 6 !== 5 && letter > 0 && letter < 9;
  if (!inside || hashOf(column % 6, row, seed + letter + 31 * panel) > 0.52) return;
  const ink = dark ? 235 : 25;
  const seen = Math.min(1, 0.1 / reach);
  for (let n = 0; n < 3; n++) colour[n] = mix(colour[n] ?? 0, ink, seen);
}

function shadeStand({ along, above, reach }: Hit, seed: number, colour: Colour): void {
  const { floorM, roofM } = STAND;
  if (above < floorM || above > roofM) {
    const stain = fractalAt(along, above, reach, PLASTER, seed);
    const girder = above > roofM && Math.abs((along / 5) % 1) < 0.06 ? 30 : 0;
    const light = (above > roofM ? 88 : 132) + 9 * stain + girder;
    paint(colour, light, light * 1.01, light * 0.98);
    return;
  }
  // Rows of seats, lit less the nearer to the roof; on about half of them somebody sits.
  const row = Math.floor((above - floorM) / 0.6);
  const seat = Math.floor(along / 0.55 + 0.5 * (row & 1));
  const inSeat = along / 0.55 + 0.5 * (row & 1) - seat;
  const inRow = (above - floorM) / 0.6 - row;
  const shade = 1 - 0.45 * ((above - floorM) / (roofM - floorM));
  const taken = hashOf(seat, row, seed) < 0.3 + 0.5 * (0.5 + 0.5 * noiseAt(seat / 14, row / 4, seed));
  const base = 35 + 130 * hashOf(seat, row, seed + 1) ** 2;
  if (!taken) {
    const block = Math.floor(along / 9) & 1;
    paint(colour, shade * (block ? 62 : 138), shade * (block ? 84 : 70), shade * (block ? 128 : 66));
  } else if (inRow > 0.62 && Math.abs(inSeat - 0.5) < 0.2)
    paint(colour, shade * 205, shade * 162, shade * 135);
  else if (Math.abs(inSeat - 0.5) < 0.42)
    paint(
      colour,
      shade * (base + 60 * hashOf(seat, row, seed + 2)),
      shade * (base + 40 * hashOf(seat, row, seed + 3)),
      shade * (base + 60 * hashOf(seat, row, seed + 4)),
    );
  else paint(colour, shade * 52, shade * 52, shade * 56);
}

function shadeHouse({ along, above, reach, number }: Hit, seed: number, colour: Colour): void {
  const drawn = (part: number): number => hashOf(number, 20 + part, seed);
  const stain = fractalAt(along, above, reach, PLASTER, number);
  const high = 0.4 + 2.2 * hashOf(number, 3, seed);
  const roof = above > high;
  const light = 1 + 0.05 * stain;
  if (roof) paint(colour, light * 128, light * (70 + 30 * drawn(1)), light * 62);
  else
    paint(
      colour,
      light * (150 + 70 * drawn(2)),
      light * (145 + 60 * drawn(3)),
      light * (125 + 60 * drawn(4)),
    );
  const across = along / 0.42;
  const up = (above + 6) / 0.5;
  const window = across % 1 > 0.3 && across % 1 < 0.75 && up % 1 > 0.3 && up % 1 < 0.8;
  if (!roof && window)
    paint(colour, 48, 58, 74 + 60 * hashOf(Math.floor(across), Math.floor(up), seed + number));
}

function paint(colour: Colour, red: number, green: number, blue: number): void {
  colour[0] = red;
  colour[1] = green;
  colour[2] = blue;
}
