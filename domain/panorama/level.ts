import { type Ray, type RectilinearCamera, rayOf } from '../camera-geometry/rectilinear.ts';

/**
 * The same cameras, turned together so that the horizon is level and the reference looks along yaw 0. Control points
 * tell how the cameras stand to each other, not where up is; a mast's cameras are mounted without roll, so up is what is
 * most nearly upright to the width of all pictures. The roll that is left is each camera's own.
 */
export function levelled(cameras: readonly RectilinearCamera[], reference: number): RectilinearCamera[] {
  const frames = cameras.map(frameOf);
  const lead = frames[reference];
  if (!lead) throw new RangeError('there is no reference camera');
  const up = mostUpright(
    frames.map((frame) => frame.right),
    lead.up,
  );
  const ahead = unit(without(lead.ahead, up));
  const right = cross(ahead, up);
  const inWorld = (ray: Ray): Ray => ({ right: dot(ray, right), ahead: dot(ray, ahead), up: dot(ray, up) });
  return cameras.map((camera, index) => {
    const frame = frames[index] ?? lead;
    return { ...camera, ...anglesOf(inWorld(frame.ahead), inWorld(frame.right)) };
  });
}

const DEGREES = 180 / Math.PI;

/** A camera's own axes in the world, of unit length. */
function frameOf(camera: RectilinearCamera): { right: Ray; ahead: Ray; up: Ray } {
  const x = (camera.width - 1) / 2;
  const y = (camera.height - 1) / 2;
  const ahead = unit(rayOf(camera, x, y));
  const right = unit(minus(rayOf(camera, x + camera.width / 2, y), rayOf(camera, x, y)));
  return { ahead, right, up: cross(right, ahead) };
}

/** Yaw, pitch and roll of a camera that looks along `ahead` and whose picture's rows run along `right`. */
function anglesOf(ahead: Ray, right: Ray): { yawDeg: number; pitchDeg: number; rollDeg: number } {
  const yaw = Math.atan2(ahead.right, ahead.ahead);
  const levelRight = { right: Math.cos(yaw), ahead: -Math.sin(yaw), up: 0 };
  const levelUp = cross(levelRight, ahead);
  return {
    yawDeg: yaw * DEGREES,
    pitchDeg: Math.asin(Math.max(-1, Math.min(1, ahead.up))) * DEGREES,
    rollDeg: Math.atan2(-dot(right, levelUp), dot(right, levelRight)) * DEGREES,
  };
}

/**
 * The unit vector that makes the squares of its products with `axes` smallest, on the side of `near`: found by walking
 * downhill from there, since the minimum is a few degrees away. The axes of two cameras have one exact solution.
 */
function mostUpright(axes: readonly Ray[], near: Ray): Ray {
  let up = unit(near);
  for (let step = 0; step < 500; step++) {
    let pull: Ray = { right: 0, ahead: 0, up: 0 };
    for (const axis of axes) pull = plus(pull, axis, -dot(axis, up));
    pull = without(pull, up);
    up = unit(plus(up, pull, 1 / axes.length));
  }
  return up;
}

const dot = (a: Ray, b: Ray): number => a.right * b.right + a.ahead * b.ahead + a.up * b.up;
const plus = (a: Ray, b: Ray, factor: number): Ray => ({
  right: a.right + factor * b.right,
  ahead: a.ahead + factor * b.ahead,
  up: a.up + factor * b.up,
});
const minus = (a: Ray, b: Ray): Ray => plus(a, b, -1);
const without = (a: Ray, direction: Ray): Ray => plus(a, direction, -dot(a, direction));
const unit = (a: Ray): Ray => plus({ right: 0, ahead: 0, up: 0 }, a, 1 / Math.hypot(a.right, a.ahead, a.up));
/** Right × ahead = up. */
const cross = (a: Ray, b: Ray): Ray => ({
  right: a.ahead * b.up - a.up * b.ahead,
  ahead: a.up * b.right - a.right * b.up,
  up: a.right * b.ahead - a.ahead * b.right,
});
