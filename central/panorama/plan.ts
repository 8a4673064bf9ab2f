import { TouchlineError } from '#contracts/errors.ts';
import type { Position } from '#contracts/ids.ts';
import type { Manifest } from '#contracts/manifest.ts';
import type { Correction } from '#domain/alignment/corrections.ts';
import { clockTime } from '#domain/panorama/clock-time.ts';
import { type Layout, sideBySide } from '#domain/panorama/layout.ts';
import {
  type Absence,
  absencesOf,
  type Timeline,
  timelineOf,
  uncoveredSec,
  type View,
  viewOf,
} from '#domain/panorama/span.ts';

/** A recording that may become part of a panorama. */
export interface Source {
  readonly camera_id: string;
  readonly part: number;
  readonly file: string;
  readonly sha256: string;
  readonly contents: Manifest | null;
  /** How long its video is, when that was looked at; the manifest may say a little more. */
  readonly durationSec?: number;
  /** Why it cannot be used, when it was looked at and cannot. */
  readonly unreadable?: string;
}

export interface FileView extends View {
  readonly file: string;
  readonly sha256: string;
}

export interface PanoramaPlan {
  readonly span: Timeline<FileView>;
  readonly fps: number;
  readonly frames: number;
  readonly missing: Absence[];
  readonly uncoveredSec: number;
  readonly notes: string[];
}

const POSITIONS: readonly Position[] = ['left', 'center', 'right'];

/** What can be made of the recordings of a session, their starts corrected where that is known better than by their clocks. Throws `job_failed` with the reason when nothing can. */
export function planPanorama(
  sources: readonly Source[],
  corrections: readonly Correction[] = [],
): PanoramaPlan {
  const notes: string[] = [];
  const views: FileView[] = [];
  for (const source of sources) {
    const { contents, part, file, sha256, durationSec, unreadable } = source;
    if (unreadable !== undefined) notes.push(`${source.camera_id} part ${part} is left out: ${unreadable}`);
    else if (contents) {
      const said = viewOf(contents);
      const correction = corrections.find((one) => one.cameraId === said.cameraId && one.part === part);
      const byUs = Math.round(correction?.byUs ?? 0);
      const view = { ...said, startUs: said.startUs + byUs, endUs: said.endUs + byUs };
      if (correction) notes.push(noteOf(correction));
      const endUs = Math.min(view.endUs, view.startUs + Math.round((durationSec ?? Infinity) * 1e6));
      views.push({ ...view, endUs, part, file, sha256 });
    } else
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
  const span = timelineOf(views);
  if (!span)
    throw impossible(`there is no moment that all of ${cameras.join(', ')} recorded`, notes, {
      recorded: views.map(({ cameraId, part, startUs, endUs }) => ({ cameraId, part, startUs, endUs })),
    });
  const { fps, frames } = span;
  if (frames < 1) throw impossible('the cameras have less than one frame in common', notes);
  const missing = absencesOf(span);
  notes.push(...notesOf(span, missing));
  return { span, fps, frames, missing, uncoveredSec: uncoveredSec(views, span), notes };
}

function noteOf({ cameraId, part, byUs, uncertaintyUs, from, claimedUs }: Correction): string {
  const ms = (us: number): string => (us / 1000).toFixed(1);
  const why =
    from === 'beep'
      ? 'the start beep in its sound tells when it began'
      : 'its timeline knows its clock better';
  const claim = claimedUs === null ? 'nothing' : `${ms(claimedUs)} ms`;
  return (
    `${cameraId}${part === 1 ? '' : ` part ${part}`} is placed ${ms(Math.abs(byUs))} ms ` +
    `${byUs < 0 ? 'earlier' : 'later'} than its manifest says: ${why} to ${ms(uncertaintyUs)} ms, where the clocks guarantee ${claim}`
  );
}

/** What is to be said of the files that are shown, and of what none shows. */
function notesOf({ views, stretches, fps }: Timeline<FileView>, missing: readonly Absence[]): string[] {
  const notes: string[] = [];
  views.forEach((usual, index) => {
    const shown = [...new Set(stretches.flatMap((stretch) => stretch.views[index] ?? []))];
    for (const view of shown) {
      const name = shown.length > 1 ? `${view.cameraId} part ${view.part}` : view.cameraId;
      if (!view.masterTime)
        notes.push(`${name} did not know the master's time: it is placed by its own clock`);
      if (view.width !== usual.width || view.height !== usual.height)
        notes.push(
          `${name} is ${view.width}x${view.height}: it is scaled to ${usual.width}x${usual.height}, as the rest`,
        );
    }
  });
  for (const { cameraId, firstFrame, frames } of missing) {
    const [from, to] = [firstFrame / fps, (firstFrame + frames) / fps];
    notes.push(`${cameraId} is missing from ${clockTime(from)} to ${clockTime(to)}`);
  }
  return notes;
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
