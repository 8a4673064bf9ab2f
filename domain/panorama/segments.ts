/** A piece of the panorama that is encoded by itself: frames of the common grid, the first being 0. */
export interface Segment {
  readonly index: number;
  readonly firstFrame: number;
  readonly frames: number;
}

/** The last piece takes up to this share of a piece more instead of being followed by a very short one. */
const STRETCH = 0.5;

/** Pieces of `segmentSec`, together `frames` long. */
export function segmentsOf(frames: number, fps: number, segmentSec: number): Segment[] {
  const usual = Math.max(1, Math.round(segmentSec * fps));
  const count = Math.max(1, Math.floor(frames / usual + (1 - STRETCH)));
  return Array.from({ length: count }, (_, index) => {
    const firstFrame = index * usual;
    return { index, firstFrame, frames: index === count - 1 ? frames - firstFrame : usual };
  });
}

/** Pieces of stretches that follow each other: none goes over a border. Each knows its stretch. */
export function segmentsOfStretches<S extends { readonly firstFrame: number; readonly frames: number }>(
  stretches: readonly S[],
  fps: number,
  segmentSec: number,
): (Segment & { readonly stretch: S })[] {
  return stretches
    .flatMap((stretch) =>
      segmentsOf(stretch.frames, fps, segmentSec).map(({ firstFrame, frames }) => ({
        ...{ stretch, frames },
        firstFrame: stretch.firstFrame + firstFrame,
      })),
    )
    .map((segment, index) => ({ ...segment, index }));
}
