import { TouchlineError } from '#contracts/errors.ts';
import type { Position } from '#contracts/ids.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { type Layout, sideBySide } from '#domain/panorama/layout.ts';
import { type CommonSpan, commonSpan, uncoveredSec, type View, viewOf } from '#domain/panorama/span.ts';

/** A recording that may become part of a panorama. */
export interface Source {
  readonly camera_id: string;
  readonly part: number;
  readonly file: string;
  readonly sha256: string;
  readonly contents: Manifest | null;
}

export interface FileView extends View {
  readonly file: string;
  readonly sha256: string;
}

export interface PanoramaPlan {
  readonly span: CommonSpan<FileView>;
  readonly fps: number;
  readonly frames: number;
  readonly uncoveredSec: number;
  readonly notes: string[];
}

const POSITIONS: readonly Position[] = ['left', 'center', 'right'];

/** What can be made of the recordings of a session. Throws `job_failed` with the reason when nothing can. */
export function planPanorama(sources: readonly Source[]): PanoramaPlan {
  const notes: string[] = [];
  const views: FileView[] = [];
  for (const source of sources) {
    const { contents, part, file, sha256 } = source;
    if (contents) views.push({ ...viewOf(contents), part, file, sha256 });
    else
      notes.push(
        `${source.camera_id} part ${source.part} has no manifest: when it was recorded is not known`,
      );
  }
  for (const position of POSITIONS)
    if (!views.some((view) => view.position === position))
      notes.push(`there is no camera on the ${position}`);

  const cameras = [...new Set(views.map((view) => view.cameraId))];
  if (cameras.length < 2)
    throw impossible(`a panorama needs two cameras; there is ${cameras[0] ?? 'none with a manifest'}`, notes);
  const span = commonSpan(views);
  if (!span)
    throw impossible(`there is no moment that all of ${cameras.join(', ')} recorded`, notes, {
      recorded: views.map(({ cameraId, part, startUs, endUs }) => ({ cameraId, part, startUs, endUs })),
    });
  for (const view of span.views)
    if (!view.masterTime)
      notes.push(`${view.cameraId} did not know the master's time: it is placed by its own clock`);

  const fps = Math.min(...span.views.map((view) => view.fps));
  const frames = Math.floor(((span.toUs - span.fromUs) * fps) / 1e6);
  if (frames < 1) throw impossible('the cameras have less than one frame in common', notes);
  return { span, fps, frames, uncoveredSec: uncoveredSec(views, span), notes };
}

/** The views side by side. Throws `job_failed` when the overlap leaves nothing of one. */
export function layoutOf({ span, notes }: PanoramaPlan, overlapPx: number): Layout {
  try {
    return sideBySide(span.views, overlapPx);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw impossible(error.message, notes);
  }
}

function impossible(
  reason: string,
  notes: readonly string[],
  details: Record<string, unknown> = {},
): TouchlineError {
  return new TouchlineError('job_failed', reason, { details: { notes, ...details } });
}
