import type { PanoramaResult } from '#contracts/panorama.ts';
import type { RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import { rayOf } from '#domain/camera-geometry/rectilinear.ts';
import { type Columns, type Cylinder, pixelOfCylinder } from '#domain/panorama/cylinder.ts';
import {
  afterwards,
  type Correction420,
  joinPairs,
  matchLevels,
  type Pairs,
  samplePairs,
  stepOf,
  UNCHANGED,
} from '#domain/panorama/exposure.ts';
import type { Moment } from './moments.ts';

type Step = PanoramaResult['seams'][number]['exposure_step_before'];

export interface MatchedExposure {
  /** Of each view, from left to right. */
  readonly corrections: readonly Correction420[];
  /** Of each seam: right minus left, before and after. */
  readonly steps: readonly { readonly before: Step; readonly after: Step }[];
  readonly notes: readonly string[];
}

/**
 * How the levels of each view are to be changed so that neighbours show the same where they see the same, the reference staying
 * as it is. `cameras` have the size of the frames in the moments.
 */
export function matchExposure(
  names: readonly string[],
  cameras: readonly RectilinearCamera[],
  cylinder: Cylinder,
  moments: readonly Moment[],
  reference: number,
  wanted: boolean,
): MatchedExposure {
  const seams = cameras.slice(1).map((right, index): Pairs => {
    const left = cameras[index] ?? right;
    const columns = commonColumns(left, right, cylinder);
    return joinPairs(
      moments.flatMap(({ frames }) => {
        const [one, other] = [frames[index], frames[index + 1]];
        return one && other ? [samplePairs([left, right], [one, other], cylinder, columns)] : [];
      }),
    );
  });

  const corrections: Correction420[] = cameras.map(() => UNCHANGED);
  const notes: string[] = [];
  const match = (view: number, neighbour: number): void => {
    const pairs = seams[Math.min(view, neighbour)];
    const [mine, theirs] = view < neighbour ? [pairs?.left, pairs?.right] : [pairs?.right, pairs?.left];
    const found = wanted && mine && theirs ? matchLevels(mine, theirs) : undefined;
    if (found) corrections[view] = afterwards(found, corrections[neighbour] ?? UNCHANGED);
    else if (wanted)
      notes.push(`${names[view]} and ${names[neighbour]} show too little in common to match their exposure`);
  };
  for (let view = reference - 1; view >= 0; view--) match(view, view + 1);
  for (let view = reference + 1; view < cameras.length; view++) match(view, view - 1);

  return {
    corrections,
    notes,
    steps: seams.map((pairs, index) => ({
      before: rounded(stepOf(pairs)),
      after: rounded(stepOf(pairs, corrections[index], corrections[index + 1])),
    })),
  };
}

/** Columns that both cameras see in the middle of their heights. */
function commonColumns(left: RectilinearCamera, right: RectilinearCamera, cylinder: Cylinder): Columns {
  return {
    from: pixelOfCylinder(cylinder, rayOf(right, 0, right.height / 2)).x,
    to: pixelOfCylinder(cylinder, rayOf(left, left.width - 1, left.height / 2)).x,
  };
}

function rounded(step: Step): Step {
  const two = (value: number): number => Number(value.toFixed(2));
  return step && { y: two(step.y), u: two(step.u), v: two(step.v) };
}
