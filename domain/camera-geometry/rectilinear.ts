/**
 * A camera without distortion, in the conventions of Hugin and its files (`f0` in a .pto): yaw turns it to the right,
 * then pitch raises it, then roll turns it clockwise, seen from behind; `hfovDeg` is the angle across the whole width. Checked against
 * `pano_trafo` in the tests. Pixel (0, 0) is the middle of the top left pixel, so the middle of the picture is at
 * ((width - 1) / 2, (height - 1) / 2).
 */
export interface RectilinearCamera {
  readonly width: number;
  readonly height: number;
  readonly hfovDeg: number;
  readonly yawDeg: number;
  readonly pitchDeg: number;
  readonly rollDeg: number;
}

/** A direction in the world, of any length: `right` and `ahead` are level (ahead is yaw 0), `up` is up. */
export interface Ray {
  readonly right: number;
  readonly ahead: number;
  readonly up: number;
}

export interface Pixel {
  readonly x: number;
  readonly y: number;
}

/** The camera as numbers: focal length in pixels, and its own axes in the world. */
interface Axes {
  readonly focalPx: number;
  readonly middleX: number;
  readonly middleY: number;
  readonly right: Ray;
  readonly ahead: Ray;
  readonly up: Ray;
}

const RADIANS_PER_DEGREE = Math.PI / 180;

/** Axes of cameras that were asked for: maps ask once per pixel. */
const known = new WeakMap<RectilinearCamera, Axes>();

/** The direction that a pixel looks into, of unit length along the camera's axis; positions between pixels and outside the picture count, too. */
export function rayOf(camera: RectilinearCamera, x: number, y: number): Ray {
  const { focalPx, middleX, middleY, right, ahead, up } = axesOf(camera);
  const across = (x - middleX) / focalPx;
  const above = (middleY - y) / focalPx;
  return {
    right: ahead.right + across * right.right + above * up.right,
    ahead: ahead.ahead + across * right.ahead + above * up.ahead,
    up: ahead.up + across * right.up + above * up.up,
  };
}

/** Where a direction is seen, possibly outside the picture; undefined for what is beside or behind the camera. */
export function pixelOf(camera: RectilinearCamera, ray: Ray): Pixel | undefined {
  const { focalPx, middleX, middleY, right, ahead, up } = axesOf(camera);
  const depth = dot(ray, ahead);
  if (depth <= 0) return undefined;
  return {
    x: middleX + (focalPx * dot(ray, right)) / depth,
    y: middleY - (focalPx * dot(ray, up)) / depth,
  };
}

/** Whether a position lies in the picture, its outermost pixels being whole. */
export function isInside(camera: RectilinearCamera, { x, y }: Pixel): boolean {
  return x >= -0.5 && y >= -0.5 && x < camera.width - 0.5 && y < camera.height - 0.5;
}

function axesOf(camera: RectilinearCamera): Axes {
  const kept = known.get(camera);
  if (kept !== undefined) return kept;
  const [sinYaw, cosYaw] = sinCos(camera.yawDeg);
  const [sinPitch, cosPitch] = sinCos(camera.pitchDeg);
  const [sinRoll, cosRoll] = sinCos(camera.rollDeg);
  const levelRight = { right: cosYaw, ahead: -sinYaw, up: 0 };
  const levelUp = { right: -sinPitch * sinYaw, ahead: -sinPitch * cosYaw, up: cosPitch };
  const axes = {
    focalPx: camera.width / 2 / Math.tan((camera.hfovDeg * RADIANS_PER_DEGREE) / 2),
    middleX: (camera.width - 1) / 2,
    middleY: (camera.height - 1) / 2,
    right: sum(cosRoll, levelRight, -sinRoll, levelUp),
    ahead: { right: cosPitch * sinYaw, ahead: cosPitch * cosYaw, up: sinPitch },
    up: sum(sinRoll, levelRight, cosRoll, levelUp),
  };
  known.set(camera, axes);
  return axes;
}

function sinCos(degrees: number): [number, number] {
  return [Math.sin(degrees * RADIANS_PER_DEGREE), Math.cos(degrees * RADIANS_PER_DEGREE)];
}

function dot(a: Ray, b: Ray): number {
  return a.right * b.right + a.ahead * b.ahead + a.up * b.up;
}

function sum(m: number, a: Ray, n: number, b: Ray): Ray {
  return { right: m * a.right + n * b.right, ahead: m * a.ahead + n * b.ahead, up: m * a.up + n * b.up };
}
