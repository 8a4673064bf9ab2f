/** Planar 4:2:0, BT.709, video range. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** All samples, one plane after the other. */
  readonly samples: Uint8Array;
  /** The planes, parts of `samples`. */
  readonly y: Uint8Array;
  readonly u: Uint8Array;
  readonly v: Uint8Array;
}

/** Black; width and height must be even. */
export function blankPicture(width: number, height: number): Picture {
  const whole = width * height;
  const samples = new Uint8Array((whole * 3) / 2);
  const y = samples.subarray(0, whole).fill(16);
  const u = samples.subarray(whole, (whole * 5) / 4).fill(128);
  const v = samples.subarray((whole * 5) / 4).fill(128);
  return { width, height, samples, y, u, v };
}

/** A part of a picture in whole pixels; `right` and `bottom` are outside. All four are even. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The pixels around a box, cut to the picture; undefined when nothing of it is inside. */
export function areaAround(
  { width, height }: { width: number; height: number },
  box: Area,
): Area | undefined {
  const even = (value: number): number => 2 * Math.floor(value / 2);
  const left = Math.max(0, even(box.left));
  const top = Math.max(0, even(box.top));
  const right = Math.min(width, even(box.right) + 2);
  const bottom = Math.min(height, even(box.bottom) + 2);
  return left < right && top < bottom ? { left, top, right, bottom } : undefined;
}

/** Copies an area from a picture of the same size. */
export function copyArea(from: Picture, to: Picture, { left, top, right, bottom }: Area): void {
  copyRows(from.y, to.y, from.width, left, top, right, bottom);
  for (const plane of ['u', 'v'] as const)
    copyRows(from[plane], to[plane], from.width / 2, left / 2, top / 2, right / 2, bottom / 2);
}

function copyRows(
  from: Uint8Array,
  to: Uint8Array,
  stride: number,
  left: number,
  top: number,
  right: number,
  bottom: number,
): void {
  for (let row = top; row < bottom; row++)
    to.set(from.subarray(row * stride + left, row * stride + right), row * stride + left);
}
