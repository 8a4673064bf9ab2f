import type { CameraId } from '#contracts/ids.ts';
import type { Manifest, TimelineRow } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { fittedLine } from './line.ts';

/** What the clocks say of one file: when its first frame was exposed, how well that is known, how the clock ran. Microseconds. */
export interface Claim {
  readonly cameraId: CameraId;
  readonly part: number;
  readonly fps: number;
  readonly durationUs: number;
  /** Master time of the first frame; the node's own time where the master's was not known. */
  readonly startUs: number;
  /** The manifest guarantees the start within this; null when it guarantees nothing. */
  readonly boundUs: number | null;
  readonly masterTime: boolean;
  /** Kernel whose clocks the node read; null in a manifest of another program. */
  readonly bootId: string | null;
  /** The node's own clock minus master time at the first frame, by the timeline: what the manifest says of that is what is doubted. */
  readonly localMinusMasterUs: number | null;
  /** Whether the pictures are those of a film that was played, not of a camera. */
  readonly replayed: boolean;
  /** When the beep should be heard in this file, from its start; null when nothing says so. */
  readonly beepUs: number | null;
  readonly timeline: TimelineClaim | null;
}

/** What the rows of a timeline say of the same file. */
export interface TimelineClaim {
  readonly startUs: number;
  /** Stated by the row that is nearest to the start; null when it states none. */
  readonly boundUs: number | null;
  /** 95 % of such starts are within this of the truth: what the row states, or how the rows scatter, whichever is more. */
  readonly uncertaintyUs: number;
  /** How much later than by the monotonic clock the last frame is by the master's. */
  readonly driftUs: number;
  readonly driftUncertaintyUs: number;
  readonly rows: number;
}

/** The claim of a manifest, and of the timeline beside it. */
export function claimOf(manifest: Manifest, rows: readonly TimelineRow[]): Claim {
  const { recording, video, timing, touchline } = manifest;
  const master = touchline?.first_frame.master ?? null;
  const startUs = fromWireTime(master ?? timing.start_time);
  const durationUs = Math.round(video.duration_sec * 1e6);
  const timeline = touchline ? timelineClaim(touchline.first_frame.mono_us, durationUs, rows) : null;
  const boundMs = master === null ? null : (touchline?.clock.bound_ms ?? null);
  const local = touchline && fromWireTime(touchline.first_frame.local);
  return {
    cameraId: recording.camera_id,
    part: touchline?.part ?? 1,
    fps: video.fps,
    durationUs,
    startUs,
    boundUs: boundMs === null ? null : boundMs * 1000,
    masterTime: touchline === undefined || master !== null,
    bootId: touchline?.first_frame.boot_id ?? null,
    localMinusMasterUs: local === undefined || timeline === null ? null : local - timeline.startUs,
    replayed: touchline?.source === 'file',
    beepUs: touchline ? fromWireTime(touchline.beep_at ?? touchline.start_at) - startUs : null,
    timeline,
  };
}

/** Rows tell master time in whole microseconds. */
const ROW_STEP_US = 1;

function timelineClaim(
  firstMonoUs: number | null,
  durationUs: number,
  rows: readonly TimelineRow[],
): TimelineClaim | null {
  const points = rows.flatMap(({ mono_us, master }) =>
    master === null ? [] : [{ x: mono_us, y: fromWireTime(master) - mono_us }],
  );
  const line = fittedLine(points, ROW_STEP_US);
  if (!line || firstMonoUs === null) return null;
  const nearest = rows.reduce((best, row) =>
    Math.abs(row.mono_us - firstMonoUs) < Math.abs(best.mono_us - firstMonoUs) ? row : best,
  );
  const start = line.at(firstMonoUs);
  return {
    startUs: firstMonoUs + start.value,
    boundUs: nearest.bound_ms === null ? null : nearest.bound_ms * 1000,
    uncertaintyUs: Math.max(start.uncertainty, (nearest.ci95_ms ?? 0) * 1000, line.worst),
    driftUs: line.slope * durationUs,
    driftUncertaintyUs: line.slopeUncertainty * durationUs,
    rows: line.points,
  };
}
