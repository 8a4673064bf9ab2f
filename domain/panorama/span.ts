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

/** A stretch of time and the one file of each camera that shows all of it. */
export interface CommonSpan<V extends View> {
  readonly fromUs: number;
  readonly toUs: number;
  /** In the order of their positions: left, center, right. */
  readonly views: V[];
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
 * The longest stretch of time that one file of every camera covers whole; undefined when there is none. Within a
 * camera files may have gaps between them; where they overlap by mistake, each is considered.
 */
export function commonSpan<V extends View>(files: readonly V[]): CommonSpan<V> | undefined {
  const cameras = new Map<CameraId, V[]>();
  for (const file of files) cameras.set(file.cameraId, [...(cameras.get(file.cameraId) ?? []), file]);
  let spans: CommonSpan<V>[] | undefined;
  for (const parts of cameras.values()) {
    const own = parts.map((part) => ({ fromUs: part.startUs, toUs: part.endUs, views: [part] }));
    spans = spans === undefined ? own : intersections(spans, own);
  }
  const longest = spans?.reduce<CommonSpan<V> | undefined>(
    (best, span) => (best === undefined || lengthOf(span) > lengthOf(best) ? span : best),
    undefined,
  );
  if (longest === undefined || lengthOf(longest) <= 0) return undefined;
  return { ...longest, views: [...longest.views].sort(byPosition) };
}

/** Seconds that some camera recorded and that the span does not contain. */
export function uncoveredSec(files: readonly View[], span: { fromUs: number; toUs: number }): number {
  let recordedUs = 0;
  let reachedUs = Number.NEGATIVE_INFINITY;
  for (const { startUs, endUs } of [...files].sort((a, b) => a.startUs - b.startUs)) {
    recordedUs += Math.max(0, endUs - Math.max(startUs, reachedUs));
    reachedUs = Math.max(reachedUs, endUs);
  }
  return Math.max(0, recordedUs - lengthOf(span)) / 1e6;
}

function intersections<V extends View>(
  some: readonly CommonSpan<V>[],
  others: readonly CommonSpan<V>[],
): CommonSpan<V>[] {
  return some.flatMap((a) =>
    others.flatMap((b) => {
      const fromUs = Math.max(a.fromUs, b.fromUs);
      const toUs = Math.min(a.toUs, b.toUs);
      return toUs > fromUs ? [{ fromUs, toUs, views: [...a.views, ...b.views] }] : [];
    }),
  );
}

const lengthOf = (span: { fromUs: number; toUs: number }): number => span.toUs - span.fromUs;

function byPosition(a: View, b: View): number {
  const byPlace = ORDER.indexOf(a.position) - ORDER.indexOf(b.position);
  return byPlace !== 0 ? byPlace : a.cameraId < b.cameraId ? -1 : 1;
}
