import type { Gap, TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { isGap } from './manifest.ts';

/** Why the end of a recording is missing: what recorded it was not there any more at the stop. */
const MISSING_END = 'nothing was recorded up to the stop';

/** The instant the rig agreed to stop at, as far as it is known; microseconds in the time of the manifests. */
export interface Ending {
  readonly stopAtUs: number | undefined;
}

/** The manifest of a last part: nothing is still to come, and what is missing before the stop is a gap. */
export function asFinal(manifest: TouchlineManifest, { stopAtUs }: Ending): TouchlineManifest {
  const { touchline, timing, video } = manifest;
  const endUs = fromWireTime(timing.end_time);
  const missing = stopAtUs !== undefined && isGap(endUs, stopAtUs, video.fps);
  const told = touchline.gaps.some(({ from }) => from === timing.end_time);
  const gaps =
    missing && !told ? [...touchline.gaps, gap(endUs, stopAtUs, video.fps, MISSING_END)] : touchline.gaps;
  return changed(manifest, { final: true, gaps });
}

/**
 * The manifest of a further part, when the recording before it turns out to be whole until `wholeUntilUs`: a part can be described before
 * the one it follows. The same object when it says so already.
 */
export function following(manifest: TouchlineManifest, wholeUntilUs: number): TouchlineManifest {
  const { touchline, timing, video } = manifest;
  const startUs = fromWireTime(timing.start_time);
  const leading = touchline.gaps.find(({ to }) => to === timing.start_time);
  if (!leading || leading.from === toWireTime(wholeUntilUs)) return manifest;
  const others = touchline.gaps.filter((each) => each !== leading);
  const gaps = isGap(wholeUntilUs, startUs, video.fps)
    ? [gap(wholeUntilUs, startUs, video.fps, leading.reason), ...others]
    : others;
  return changed(manifest, { gaps });
}

/** Whoever got the manifest before has to get it again. */
function changed(
  manifest: TouchlineManifest,
  change: Partial<TouchlineManifest['touchline']>,
): TouchlineManifest {
  return {
    ...manifest,
    touchline: { ...manifest.touchline, ...change, offloaded: false, offloaded_at: null },
  };
}

function gap(fromUs: number, toUs: number, fps: number, reason: string): Gap {
  return {
    from: toWireTime(fromUs),
    to: toWireTime(toUs),
    frames: Math.max(0, Math.round(((toUs - fromUs) * fps) / 1e6)),
    reason,
  };
}
