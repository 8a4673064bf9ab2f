import { pixelOf, type RectilinearCamera } from '../camera-geometry/rectilinear.ts';
import { type Columns, type Cylinder, rayOfCylinder } from './cylinder.ts';

/**
 * Where each pixel of a part of the panorama comes from: the whole position of the upper left of four neighbours in the
 * source, and how far it lies towards the right and the lower ones (0 to 255).
 */
export interface WarpMap {
  readonly width: number;
  readonly height: number;
  readonly x: Uint16Array;
  readonly y: Uint16Array;
  readonly rightShare: Uint8Array;
  readonly lowerShare: Uint8Array;
}

export type Plane = 'luma' | 'chroma';

/** 4:2:0 as H.264 has it unless it says otherwise: chroma samples lie on the even columns and between two rows. */
const CHROMA = { stepX: 2, atX: 0, stepY: 2, atY: 0.5 } as const;
const LUMA = { stepX: 1, atX: 0, stepY: 1, atY: 0 } as const;

/** The map of one plane of a camera for some columns of the panorama. Positions beyond its edge are those of the edge. */
export function warpMap(
  camera: RectilinearCamera,
  cylinder: Cylinder,
  columns: Columns,
  plane: Plane,
): WarpMap {
  const grid = plane === 'luma' ? LUMA : CHROMA;
  const width = (columns.to - columns.from) / grid.stepX;
  const height = cylinder.height / grid.stepY;
  const lastX = Math.ceil(camera.width / grid.stepX) - 1;
  const lastY = Math.ceil(camera.height / grid.stepY) - 1;
  const map = {
    width,
    height,
    x: new Uint16Array(width * height),
    y: new Uint16Array(width * height),
    rightShare: new Uint8Array(width * height),
    lowerShare: new Uint8Array(width * height),
  };
  let at = 0;
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++, at++) {
      const ray = rayOfCylinder(
        cylinder,
        columns.from + column * grid.stepX + grid.atX,
        row * grid.stepY + grid.atY,
      );
      const source = pixelOf(camera, ray);
      if (!source) throw new RangeError('a part of the panorama lies behind the camera');
      const x = Math.min(lastX, Math.max(0, (source.x - grid.atX) / grid.stepX));
      const y = Math.min(lastY, Math.max(0, (source.y - grid.atY) / grid.stepY));
      const wholeX = Math.min(lastX - 1, Math.floor(x));
      const wholeY = Math.min(lastY - 1, Math.floor(y));
      map.x[at] = wholeX;
      map.y[at] = wholeY;
      map.rightShare[at] = Math.round((x - wholeX) * 255);
      map.lowerShare[at] = Math.round((y - wholeY) * 255);
    }
  return map;
}

/** The share of the right view across a blend, 0 to 255: a smooth step, the same in every row. */
export function seamShares(width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, column) => {
    const along = (column + 0.5) / width;
    return Math.round(255 * along * along * (3 - 2 * along));
  });
}

/** A picture of one channel as a PGM file: 8 or 16 bit, as ffmpeg and Hugin read it. */
export function pgm(width: number, height: number, values: Uint8Array | Uint16Array): Uint8Array {
  const deep = values instanceof Uint16Array;
  const head = new TextEncoder().encode(`P5\n${width} ${height}\n${deep ? 65_535 : 255}\n`);
  const file = new Uint8Array(head.length + values.byteLength);
  file.set(head);
  if (!deep) file.set(values, head.length);
  else {
    const body = new DataView(file.buffer, head.length);
    values.forEach((value, index) => void body.setUint16(2 * index, value));
  }
  return file;
}
