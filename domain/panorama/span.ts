import type { CameraId, Position } from '#contracts/ids.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { CLOCK_PATTERN } from '../clock-pattern/clock-pattern.ts';

/** One recorded file as the panorama sees it: what it shows, and when. Times are microseconds of master time. */
export interface View {
  readonly cameraId: CameraId;
  readonly position: Position;
  readonly part: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** Rows at the top that show no scene but a burned-in clock. */
  readonly hiddenRows: number;
  /** False when the start is told by the node's own clock, whose offset from the master is not known. */
  readonly masterTime: boolean;
}

/** Frames of the common grid during which the same files show the match. */
export interface Stretch<V extends View> {
  readonly firstFrame: number;
  readonly frames: number;
  /** Of each camera the file that shows all of it, or null when it recorded nothing. From left to right. */
  readonly views: readonly (V | null)[];
}

/**
 * From the moment when the last camera has begun to that when the first one has ended for good, whatever gaps lie between. Frame 0 of
 * the common grid is at `fromUs`.
 */
export interface Timeline<V extends View> {
  readonly fromUs: number;
  readonly toUs: number;
  /** Of the slowest file. */
  readonly fps: number;
  readonly frames: number;
  /** One file of each camera, left, center, right: those of the longest stretch that all cameras show. */
  readonly views: V[];
  /** One after the other, all frames of the grid together. */
  readonly stretches: Stretch<V>[];
}

/** Frames of the grid in which a camera has nothing to show. */
export interface Absence {
  readonly cameraId: CameraId;
  readonly firstFrame: number;
  readonly frames: number;
}

const ORDER: readonly Position[] = ['left', 'center', 'right'];

/** What a manifest says about its file. */
export function viewOf(manifest: Manifest): View {
  const { recording, video, timing, touchline } = manifest;
  const master = touchline?.first_frame.master ?? null;
  const startUs = fromWireTime(master ?? timing.start_time);
  return {
    cameraId: recording.camera_id,
    position: recording.position,
    part: touchline?.part ?? 1,
    startUs,
    endUs: startUs + Math.round(video.duration_sec * 1e6),
    width: video.resolution.width,
    height: video.resolution.height,
    fps: video.fps,
    hiddenRows: touchline?.source === 'test-pattern' ? CLOCK_PATTERN.heightPx : 0,
    masterTime: touchline === undefined || master !== null,
  };
}

/**
 * What the files show together. Undefined when there is no time between the latest beginning and the earliest end, or no frame that all
 * cameras show. With less than a frame in common `frames` is 0, and there are no stretches. Where files of a camera overlap by
 * mistake, the one that is being shown goes on to its end.
 */
export function timelineOf<V extends View>(files: readonly V[]): Timeline<V> | undefined {
  const byCamera = new Map<CameraId, V[]>();
  for (const file of files) byCamera.set(file.cameraId, [...(byCamera.get(file.cameraId) ?? []), file]);
  const cameras = [...byCamera.values()].sort(([a], [b]) => (a && b ? byPosition(a, b) : 0));
  const fromUs = Math.max(...cameras.map((own) => Math.min(...own.map(({ startUs }) => startUs))));
  const toUs = Math.min(...cameras.map((own) => Math.max(...own.map(({ endUs }) => endUs))));
  if (cameras.length === 0 || toUs <= fromUs) return undefined;

  const within = files.filter(({ startUs, endUs }) => startUs < toUs && endUs > fromUs);
  const fps = Math.min(...within.map((file) => file.fps));
  const frames = Math.floor(((toUs - fromUs) * fps) / 1e6);
  const grid = { fromUs, toUs, fps, frames };
  if (frames < 1) return { ...grid, views: [], stretches: [] };

  const shown = cameras.map((own) => showing(own, grid));
  const borders = [...new Set([0, frames, ...shown.flat().flatMap(({ from, to }) => [from, to])])];
  borders.sort((a, b) => a - b);
  const stretches = borders.slice(1).map((to, index): Stretch<V> => {
    const from = borders[index] ?? 0;
    return {
      firstFrame: from,
      frames: to - from,
      views: shown.map((own) => own.find((each) => each.from <= from && each.to >= to)?.view ?? null),
    };
  });
  const longest = stretches
    .filter(isComplete)
    .reduce<Stretch<V> | undefined>(
      (best, each) => (best && best.frames >= each.frames ? best : each),
      undefined,
    );
  return longest && { ...grid, views: longest.views.filter((view) => view !== null), stretches };
}

/** True when no camera is missing. */
export const isComplete = ({ views }: Stretch<View>): boolean => views.every((view) => view !== null);

/** When which camera is missing, in the order of the cameras, then of time. */
export function absencesOf({ views, stretches }: Timeline<View>): Absence[] {
  return views.flatMap(({ cameraId }, index) => {
    const absences: Absence[] = [];
    for (const stretch of stretches) {
      if (stretch.views[index]) continue;
      const { firstFrame, frames } = absences.at(-1) ?? { firstFrame: 0, frames: 0 };
      if (absences.length > 0 && firstFrame + frames === stretch.firstFrame)
        absences.splice(-1, 1, { cameraId, firstFrame, frames: frames + stretch.frames });
      else absences.push({ cameraId, firstFrame: stretch.firstFrame, frames: stretch.frames });
    }
    return absences;
  });
}

/** Seconds that some camera recorded and that lie before or after the span. */
export function uncoveredSec(files: readonly View[], span: { fromUs: number; toUs: number }): number {
  let outsideUs = 0;
  let reachedUs = Number.NEGATIVE_INFINITY;
  for (const { startUs, endUs } of [...files].sort((a, b) => a.startUs - b.startUs)) {
    const newUs = Math.max(startUs, reachedUs);
    outsideUs += Math.max(0, Math.min(endUs, span.fromUs) - newUs);
    outsideUs += Math.max(0, endUs - Math.max(newUs, span.toUs));
    reachedUs = Math.max(reachedUs, endUs);
  }
  return outsideUs / 1e6;
}

type Grid = Pick<Timeline<View>, 'fromUs' | 'toUs' | 'fps' | 'frames'>;

interface Showing<V extends View> {
  readonly view: V;
  /** Frames of the grid; `to` is the first that it does not show. */
  readonly from: number;
  readonly to: number;
}

/** Which file of one camera shows which frames: one at a time, each from where it begins or the one before it ends. */
function showing<V extends View>(own: readonly V[], grid: Grid): Showing<V>[] {
  const ranges = own.map((view) => ({ view, ...framesOf(view, grid) })).filter(({ from, to }) => to > from);
  const shown: Showing<V>[] = [];
  let at = 0;
  while (at < grid.frames) {
    const here = at;
    const best = ranges
      .filter(({ from, to }) => from <= here && to > here)
      .reduce<Showing<V> | undefined>((one, each) => (one && one.to >= each.to ? one : each), undefined);
    if (best) shown.push({ ...best, from: here });
    at = best?.to ?? Math.min(grid.frames, ...ranges.map(({ from }) => from).filter((from) => from > here));
  }
  return shown;
}

/** Rounding of sums of frame lengths must not cost a frame. */
const TINY = 1e-6;

/** The frames of the grid that a file shows, its own frames being moved as `startOnGrid` says. */
function framesOf(view: View, { fromUs, toUs, fps, frames }: Grid): { from: number; to: number } {
  const startSec = -startOnGrid((fromUs - view.startUs) / 1e6, view.fps);
  const lengthSec = Math.round(((view.endUs - view.startUs) / 1e6) * view.fps) / view.fps;
  return {
    from: view.startUs <= fromUs ? 0 : Math.ceil(startSec * fps - TINY),
    to: view.endUs >= toUs ? frames : Math.min(frames, Math.floor((startSec + lengthSec) * fps + TINY)),
  };
}

/**
 * How long after the first frame of a file frame 0 of the grid is, in seconds: `offsetSec`, moved to the nearest frame of the file. Then no
 * frame lies in the middle between two of the grid, where rounding would send it to one of them in this segment and to the
 * other in the next.
 */
export const startOnGrid = (offsetSec: number, fps: number): number => Math.round(offsetSec * fps) / fps;

function byPosition(a: View, b: View): number {
  const byPlace = ORDER.indexOf(a.position) - ORDER.indexOf(b.position);
  return byPlace !== 0 ? byPlace : a.cameraId < b.cameraId ? -1 : 1;
}
