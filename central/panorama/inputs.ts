import { TouchlineError } from '#contracts/errors.ts';
import type { BlackInput, StitchInput, ViewInput } from '#domain/panorama/ffmpeg-arguments.ts';
import type { FileView, PanoramaPlan, Source } from './plan.ts';
import type { Probe } from './source.ts';

/** A stretch of the panorama as ffmpeg gets it. */
export interface Footage {
  readonly firstFrame: number;
  readonly frames: number;
  /** From left to right. */
  readonly inputs: readonly ViewInput[];
}

/** A stretch that all cameras show. */
export interface WholeFootage extends Footage {
  readonly inputs: readonly StitchInput[];
}

/**
 * Where a camera has several files, each is opened for how long it is: what its manifest says too much would show as a still picture before
 * a gap. What cannot be opened is said to be unreadable.
 */
export async function examined(probe: Probe, sources: readonly Source[]): Promise<Source[]> {
  return Promise.all(
    sources.map(async (source) => {
      if (sources.filter(({ camera_id }) => camera_id === source.camera_id).length < 2) return source;
      try {
        return { ...source, durationSec: (await probe(source.file)).durationSec };
      } catch (error) {
        if (!(error instanceof TouchlineError && error.code === 'not_mp4')) throw error;
        return { ...source, unreadable: error.message };
      }
    }),
  );
}

/** The stretches of a plan, each file of them opened for where its video begins. */
export async function footageOf(probe: Probe, { span }: PanoramaPlan): Promise<Footage[]> {
  const shown = [...new Set(span.stretches.flatMap(({ views }) => views.filter((view) => view !== null)))];
  const leads = new Map(
    await Promise.all(shown.map(async (view) => [view, (await probe(view.file)).leadSec] as const)),
  );
  const input = (view: FileView | null, { width, height }: FileView): ViewInput =>
    view === null
      ? ({ black: { width, height } } satisfies BlackInput)
      : {
          path: view.file,
          offsetSec: (span.fromUs - view.startUs) / 1e6,
          leadSec: leads.get(view) ?? 0,
          fps: view.fps,
          ...(view.width === width && view.height === height ? {} : { scaledTo: { width, height } }),
        };
  return span.stretches.map(({ firstFrame, frames, views }) => ({
    ...{ firstFrame, frames },
    inputs: span.views.map((usual, index) => input(views[index] ?? null, usual)),
  }));
}

export const isWhole = (footage: Footage): footage is WholeFootage =>
  footage.inputs.every((input) => 'path' in input);
