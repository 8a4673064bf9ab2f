/** How far a stitch is. */
export interface StitchProgress {
  /** 0 to 1. */
  readonly progress: number;
  /** Times real time; null until ffmpeg knows. */
  readonly speed: number | null;
  readonly remainingSec: number | null;
}

/**
 * Reads the lines of `ffmpeg -progress`. Returns the news when a block of lines is complete, undefined before.
 * `out_time_us` and, against its name, `out_time_ms` are both microseconds.
 */
export function progressReader(durationSec: number): (line: string) => StitchProgress | undefined {
  let doneSec = 0;
  let speed: number | null = null;
  return (line) => {
    const equals = line.indexOf('=');
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    if (key === 'out_time_us' && /^\d+$/.test(value)) doneSec = Number(value) / 1e6;
    if (key === 'speed') {
      const parsed = Number.parseFloat(value);
      speed = Number.isFinite(parsed) && parsed > 0 ? parsed : null;
    }
    if (key !== 'progress') return undefined;
    const leftSec = Math.max(0, durationSec - doneSec);
    return {
      progress: durationSec > 0 ? Math.min(1, doneSec / durationSec) : 0,
      speed,
      remainingSec: speed === null ? null : leftSec / speed,
    };
  };
}
