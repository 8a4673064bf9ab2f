import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import type { CylinderPlan } from '#domain/panorama/cylinder.ts';
import type { WarpFiles, WarpStills } from '#domain/panorama/warp-graph.ts';
import { type Plane, pgm, seamShares, warpMap } from '#domain/panorama/warp-map.ts';

/** Writes the maps and blends of a panorama as PGM files. */
export async function writeWarpFiles(
  folder: string,
  cameras: readonly RectilinearCamera[],
  { cylinder, regions, seams }: CylinderPlan,
): Promise<WarpStills> {
  await mkdir(folder, { recursive: true });
  const write = async (
    name: string,
    width: number,
    height: number,
    values: Uint8Array | Uint16Array,
  ): Promise<string> => {
    const path = join(folder, `${name}.pgm`);
    await writeFile(path, pgm(width, height, values));
    return path;
  };
  const map = async (view: number, plane: Plane): Promise<WarpFiles> => {
    const [camera, columns] = [cameras[view], regions[view]];
    if (!camera || !columns) throw new RangeError(`there is no view ${view}`);
    const { width, height, ...values } = warpMap(camera, cylinder, columns, plane);
    const of = (name: keyof typeof values): Promise<string> =>
      write(`${view}-${plane}-${name}`, width, height, values[name]);
    return {
      x: await of('x'),
      y: await of('y'),
      rightShare: await of('rightShare'),
      lowerShare: await of('lowerShare'),
    };
  };
  const blend = (seam: number, width: number, height: number): Promise<string> => {
    const row = seamShares(width);
    const mask = new Uint8Array(width * height);
    for (let y = 0; y < height; y++) mask.set(row, y * width);
    return write(`seam${seam}-${width}`, width, height, mask);
  };
  const views: { luma: WarpFiles; chroma: WarpFiles }[] = [];
  for (const view of cameras.keys())
    views.push({ luma: await map(view, 'luma'), chroma: await map(view, 'chroma') });
  return {
    views,
    seams: await Promise.all(
      seams.map(async ({ from, to }, seam) => ({
        luma: await blend(seam, to - from, cylinder.height),
        chroma: await blend(seam, (to - from) / 2, cylinder.height / 2),
      })),
    ),
  };
}
