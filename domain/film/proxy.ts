import { type FilmIndex, frameRate } from './index-of-film.ts';

/** Wider pictures are scaled down: three of them play side by side. */
export const PROXY_WIDTH_MAX = 1280;
/** A player that jumps decodes at most this much. */
const GROUP_MAX_US = 2_000_000;
/** The clocks of two files round differently. */
const TIME_TOLERANCE_US = 1000;
/** 8 bits, 4:2:0: what every browser decodes. */
const PIXEL_FORMATS: readonly string[] = ['yuv420p', 'yuvj420p'];

/** Why a film has to be encoded again for browsers, in words; undefined when its pictures can be taken as they are. */
export function reasonToEncode(film: FilmIndex): string | undefined {
  if (film.codec !== 'h264') return `it is ${film.codec}`;
  if (!PIXEL_FORMATS.includes(film.pixelFormat)) return `its pixels are ${film.pixelFormat}`;
  if (film.width > PROXY_WIDTH_MAX) return `it is ${film.width} pixels wide`;
  if (film.hiddenFrames > 0) return `${film.hiddenFrames} of its frames are hidden`;
  if (film.openGroups) return 'some of its frames are shown before the key frame they follow';
  if (film.longestGroupUs > GROUP_MAX_US)
    return `its key frames are up to ${(film.longestGroupUs / 1e6).toFixed(1)} s apart`;
  return undefined;
}

/** What keeps `proxy` from standing for `original` frame by frame, in words; undefined when nothing does. */
export function differenceOf(original: FilmIndex, proxy: FilmIndex): string | undefined {
  const unplayable = reasonToEncode(proxy);
  if (unplayable !== undefined) return `not every browser plays it: ${unplayable}`;
  const [wanted, found] = [original.shownUs, proxy.shownUs];
  if (found.length !== wanted.length) return `it has ${found.length} frames, the original ${wanted.length}`;
  for (const [n, us] of wanted.entries()) {
    const shown = found[n] ?? Number.NaN;
    if (!(Math.abs(shown - us) <= TIME_TOLERANCE_US))
      return `frame ${n} is shown at ${shown / 1e6} s, in the original at ${us / 1e6} s`;
  }
  // The last frame has no successor that tells how long it is shown.
  const frameUs = 1e6 / (frameRate(original) || 1);
  if (Math.abs(proxy.durationUs - original.durationUs) > frameUs + TIME_TOLERANCE_US)
    return `it is ${proxy.durationUs / 1e6} s long, the original ${original.durationUs / 1e6} s`;
  return undefined;
}

/** Arguments of ffmpeg that make a proxy: the same frames at the same times, the index first. */
export function proxyArguments(paths: { from: string; to: string }, encode: boolean): string[] {
  const size = `w=trunc(min(${PROXY_WIDTH_MAX}\\,iw)/2)*2:h=-2`;
  const encoding = [
    ...['-vf', `scale=${size}:flags=bicubic:out_range=tv,format=yuv420p,setsar=1`],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '23', '-maxrate', '6M', '-bufsize', '12M'],
    // Without B-frames a step back decodes less, and no player has to reorder.
    ...['-bf', '0', '-forced-idr', '1'],
    // Measured from the last key frame, so that a gap is not followed by key frames only.
    ...['-force_key_frames', 'expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+0.999))'],
    // Gaps stay gaps, and no frame is moved to a grid.
    ...['-fps_mode', 'passthrough', '-enc_time_base', '-1'],
  ];
  return [
    ...['-nostdin', '-hide_banner', '-v', 'warning', '-y', '-progress', 'pipe:1'],
    ...['-i', paths.from, '-map', '0:v:0'],
    ...(encode ? encoding : ['-c', 'copy']),
    ...['-movflags', '+faststart', '-f', 'mp4', paths.to],
  ];
}

/** Arguments of ffmpeg that make one picture of 480 pixels width of the frame shown at a time. */
export function thumbnailArguments(paths: { from: string; to: string }, atUs: number): string[] {
  return [
    ...['-nostdin', '-hide_banner', '-v', 'warning', '-y'],
    ...['-ss', (atUs / 1e6).toFixed(6), '-i', paths.from, '-map', '0:v:0', '-frames:v', '1'],
    ...['-vf', 'scale=w=480:h=-2:flags=area:out_range=pc,format=yuvj420p', '-q:v', '4'],
    ...['-f', 'image2', '-update', '1', paths.to],
  ];
}
