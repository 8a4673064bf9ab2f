import { PITCH } from './measures.ts';
import { hashOf } from './noise.ts';

/** Somebody on the pitch at an instant. */
export interface Player {
  readonly kit: Kit;
  readonly x: number;
  readonly y: number;
  /** Where in the stride, radians, and how wide it is, 0 to 1. */
  readonly stride: number;
  readonly effort: number;
}

export type Kit = 'home' | 'away' | 'home keeper' | 'away keeper' | 'referee';

/** Where a ball is; `z` is the height of its middle. */
export interface Ball {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

export const BALL_RADIUS_M = 0.11;
const HALF = PITCH.lengthM / 2;
const MIDDLE = PITCH.widthM / 2;

interface Role {
  readonly kit: Kit;
  readonly x: number;
  readonly y: number;
  /** How far somebody strays from the place, metres. */
  readonly strayM: number;
}

const ROLES: readonly Role[] = [
  { kit: 'home keeper', x: -HALF + 4, y: MIDDLE, strayM: 2 },
  { kit: 'home', x: -33, y: 20, strayM: 8 },
  { kit: 'home', x: -24, y: 46, strayM: 8 },
  { kit: 'home', x: -6, y: 27, strayM: 9 },
  { kit: 'home', x: 14, y: 52, strayM: 9 },
  { kit: 'home', x: 27, y: 22, strayM: 8 },
  { kit: 'referee', x: 2, y: 38, strayM: 9 },
  { kit: 'away', x: -26, y: 31, strayM: 8 },
  { kit: 'away', x: -11, y: 55, strayM: 9 },
  { kit: 'away', x: 6, y: 18, strayM: 9 },
  { kit: 'away', x: 23, y: 43, strayM: 8 },
  { kit: 'away', x: 34, y: 28, strayM: 8 },
  { kit: 'away keeper', x: HALF - 4, y: MIDDLE, strayM: 2 },
];
/** Those who play the ball; the referee does not. */
const PASSERS = ROLES.map((_, number) => number).filter((number) => ROLES[number]?.kit !== 'referee');

/** Two swings along each axis; at these periods nobody runs faster than about 6 m/s. */
const SLOW_SEC = 19;
const QUICK_SEC = 8.5;
const PASS_EVERY_US = 3_000_000;
const LONGEST_FLIGHT_SEC = 2.2;
const PASS_SPEED_M_S = 22;

/** Who is where at an instant (microseconds since 1970): the same for everybody who asks. */
export function playersAt(wallUs: number): Player[] {
  return ROLES.map((role, number) => {
    const { x, y } = placeOf(number, wallUs);
    const later = placeOf(number, wallUs + 100_000);
    const speed = Math.hypot(later.x - x, later.y - y) * 10;
    // Everybody has a beat of his own that does not depend on the speed: so the legs move on evenly.
    const stepsPerSec = 0.9 + 0.8 * hashOf(number, 8, 3);
    return {
      kit: role.kit,
      x,
      y,
      stride: 2 * Math.PI * stepsPerSec * (wallUs / 1e6),
      effort: Math.min(1, speed / 5),
    };
  });
}

/** Where the ball is at an instant: at somebody's feet, or on its way from one to the next. */
export function ballAt(wallUs: number): Ball {
  const pass = Math.floor(wallUs / PASS_EVERY_US);
  const startUs = pass * PASS_EVERY_US;
  const from = placeOf(owner(pass - 1), startUs);
  const distanceM = Math.hypot(
    placeOf(owner(pass), startUs).x - from.x,
    placeOf(owner(pass), startUs).y - from.y,
  );
  const flightSec = Math.min(LONGEST_FLIGHT_SEC, distanceM / PASS_SPEED_M_S);
  const flown = flightSec === 0 ? 1 : (wallUs - startUs) / 1e6 / flightSec;
  const aheadM = 0.5;
  if (flown >= 1) {
    const { x, y } = placeOf(owner(pass), wallUs);
    return { x: x + aheadM, y, z: BALL_RADIUS_M };
  }
  const to = placeOf(owner(pass), startUs + flightSec * 1e6);
  const loftM = distanceM > 20 ? distanceM / 9 : 0;
  return {
    x: from.x + aheadM + flown * (to.x - from.x),
    y: from.y + flown * (to.y - from.y),
    z: BALL_RADIUS_M + loftM * 4 * flown * (1 - flown),
  };
}

function owner(pass: number): number {
  return PASSERS[Math.floor(hashOf(pass % 1_000_000, 0, 5) * PASSERS.length)] ?? 0;
}

function placeOf(number: number, wallUs: number): { x: number; y: number } {
  const role = ROLES[number];
  if (role === undefined) throw new RangeError(`there is no player ${number}`);
  const { x, y, strayM } = role;
  const swing = (part: number): number => {
    const slow =
      2 * Math.PI * (hashOf(number, part, 1) + wallUs / 1e6 / (SLOW_SEC + 4 * hashOf(number, part, 2)));
    const quick =
      2 * Math.PI * (hashOf(number, part, 3) + wallUs / 1e6 / (QUICK_SEC + 3 * hashOf(number, part, 4)));
    return strayM * (0.75 * Math.sin(slow) + 0.25 * Math.sin(quick));
  };
  return { x: x + swing(1), y: y + swing(2) };
}
