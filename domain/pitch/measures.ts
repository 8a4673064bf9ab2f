/**
 * The world, in metres: x along the near touchline to the right, 0 at the halfway line; y away from the mast, 0 at the near
 * touchline; z up from the grass. Yaw 0 looks along y.
 */
export const PITCH = { lengthM: 105, widthM: 68 } as const;

/** The mast stands outside the near touchline, on the halfway line; all cameras are on its top. */
export const MAST = { beforeTouchlineM: 14, heightM: 9 } as const;

/** Markings (Laws of the Game, Law 1). */
export const LINE_WIDTH_M = 0.12;
const HALF = PITCH.lengthM / 2;
const MIDDLE = PITCH.widthM / 2;
const PENALTY_AREA = { depthM: 16.5, halfWidthM: 20.16 };
const GOAL_AREA = { depthM: 5.5, halfWidthM: 9.16 };
const PENALTY_SPOT_M = 11;
export const CIRCLE_RADIUS_M = 9.15;
export const CORNER_RADIUS_M = 1;
const SPOT_RADIUS_M = 0.11;
export const GOAL = { halfWidthM: 3.66, heightM: 2.44, postM: 0.12 } as const;

/** A straight marking between two corners, its width included. */
interface Bar {
  readonly fromX: number;
  readonly toX: number;
  readonly fromY: number;
  readonly toY: number;
}

/** A line along a circle; `beyond`: only where |x| is less than this (the arc of a penalty area). */
interface Arc {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly beyond?: number;
}

const along = (y: number, fromX: number, toX: number): Bar => ({
  fromX: Math.min(fromX, toX) - LINE_WIDTH_M / 2,
  toX: Math.max(fromX, toX) + LINE_WIDTH_M / 2,
  fromY: y - LINE_WIDTH_M / 2,
  toY: y + LINE_WIDTH_M / 2,
});
const across = (x: number, fromY: number, toY: number): Bar => ({
  fromX: x - LINE_WIDTH_M / 2,
  toX: x + LINE_WIDTH_M / 2,
  fromY: fromY - LINE_WIDTH_M / 2,
  toY: toY + LINE_WIDTH_M / 2,
});

const box = (side: number, { depthM, halfWidthM }: { depthM: number; halfWidthM: number }): Bar[] => [
  across(side * (HALF - depthM), MIDDLE - halfWidthM, MIDDLE + halfWidthM),
  along(MIDDLE - halfWidthM, side * HALF, side * (HALF - depthM)),
  along(MIDDLE + halfWidthM, side * HALF, side * (HALF - depthM)),
];

export const BARS: readonly Bar[] = [
  along(0, -HALF, HALF),
  along(PITCH.widthM, -HALF, HALF),
  across(0, 0, PITCH.widthM),
  ...[-1, 1].flatMap((side) => [
    across(side * HALF, 0, PITCH.widthM),
    ...box(side, PENALTY_AREA),
    ...box(side, GOAL_AREA),
  ]),
];

export const ARCS: readonly Arc[] = [
  { x: 0, y: MIDDLE, radius: CIRCLE_RADIUS_M },
  ...[-1, 1].map((side) => ({
    x: side * (HALF - PENALTY_SPOT_M),
    y: MIDDLE,
    radius: CIRCLE_RADIUS_M,
    beyond: HALF - PENALTY_AREA.depthM,
  })),
  ...[-1, 1].flatMap((side) => [
    { x: side * HALF, y: 0, radius: CORNER_RADIUS_M },
    { x: side * HALF, y: PITCH.widthM, radius: CORNER_RADIUS_M },
  ]),
];

/** Filled circles: kick-off and penalty spots. */
export const SPOTS = [-(HALF - PENALTY_SPOT_M), 0, HALF - PENALTY_SPOT_M].map((x) => ({
  x,
  y: MIDDLE,
  radius: SPOT_RADIUS_M,
}));
