/** A straight line through points, with what their scatter leaves open. */
export interface Line {
  /** Per unit of x. */
  readonly slope: number;
  /** Value at x, and how far 95 % of such lines are from the truth there. */
  at(x: number): { readonly value: number; readonly uncertainty: number };
  /** 95 % of such slopes are within this of the truth. */
  readonly slopeUncertainty: number;
  /** The point that is farthest from the line. */
  readonly worst: number;
  readonly points: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const SIGMAS = 1.96;

/**
 * Least squares. `resolution` is the step in which y is told: points cannot be trusted further than its rounding, however little they scatter.
 * Undefined without points; one point gives a level line.
 */
export function fittedLine(points: readonly Point[], resolution: number): Line | undefined {
  const count = points.length;
  if (count === 0) return undefined;
  // Counted from the first point, so that no digits are lost on times since 1970.
  const [origin = { x: 0, y: 0 }] = points;
  const meanX = points.reduce((sum, { x }) => sum + (x - origin.x), 0) / count;
  const meanY = points.reduce((sum, { y }) => sum + (y - origin.y), 0) / count;
  let spread = 0;
  let product = 0;
  for (const { x, y } of points) {
    spread += (x - origin.x - meanX) ** 2;
    product += (x - origin.x - meanX) * (y - origin.y - meanY);
  }
  const slope = spread > 0 ? product / spread : 0;
  const valueAt = (x: number): number => origin.y + meanY + slope * (x - origin.x - meanX);
  const errors = points.map(({ x, y }) => Math.abs(y - valueAt(x)));
  const scatter = count > 2 ? errors.reduce((sum, error) => sum + error ** 2, 0) / (count - 2) : 0;
  // A value that is rounded to steps scatters by a step divided by the root of 12.
  const sigma = Math.sqrt(Math.max(scatter, resolution ** 2 / 12));
  return {
    slope,
    at(x) {
      const leverage = spread > 0 ? (x - origin.x - meanX) ** 2 / spread : 0;
      return { value: valueAt(x), uncertainty: SIGMAS * sigma * Math.sqrt(1 / count + leverage) };
    },
    slopeUncertainty: spread > 0 ? (SIGMAS * sigma) / Math.sqrt(spread) : 0,
    worst: Math.max(...errors),
    points: count,
  };
}
