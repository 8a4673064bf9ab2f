/** Numbers and times as people read them. Unknown is `—`, never zero. */

export const UNKNOWN = '—';

/** `7` → `0:07`, `3671` → `1:01:11`; whole seconds. */
export function clockTime(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Of a recording or a job: `0.4 s`, from one second on as `clockTime`. */
export function durationText(seconds: number | null | undefined): string {
  if (typeof seconds === 'number' && seconds >= 0 && seconds < 1) return `${seconds.toFixed(1)} s`;
  return clockTime(seconds);
}

/** Of what is missing: `33 ms`, `6.0 s`, `50 s`, `3 min 5 s`. */
export function lengthText(seconds: number): string {
  const ms = Math.round(seconds * 1000);
  if (ms < 100) return `${ms} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** How a clock was set: `forward by 1.2 s`, `back by 33 ms`. */
export function stepText(ms: number): string {
  return `${ms < 0 ? 'back' : 'forward'} by ${lengthText(Math.abs(ms) / 1000)}`;
}

/** `95` → `1 h 35 min`; beyond two days in days. */
export function minutesText(minutes: number | null | undefined): string {
  if (minutes === null || minutes === undefined || !Number.isFinite(minutes)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(minutes));
  if (whole < 60) return `${whole} min`;
  if (whole < 48 * 60) return `${Math.floor(whole / 60)} h ${whole % 60} min`;
  return `${Math.floor(whole / 1440)} days`;
}

/** Bytes with a decimal unit, as disks are sold. */
export function bytesText(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return UNKNOWN;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0);
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** A number with so many digits behind the point. */
export function figure(value: number | null | undefined, digits = 0, unit = ''): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  return unit === '' ? value.toFixed(digits) : `${value.toFixed(digits)} ${unit}`;
}

/** A bound, which is never rounded to less than it is. */
export function boundFigure(value: number, digits: number): string {
  const steps = 10 ** digits;
  // A figure such as 0.4 is a little more than itself in binary.
  return figure(Math.ceil(value * steps - 1e-9) / steps, digits);
}

/** A number with its sign; what rounds to nothing has none to lose. */
export function signed(value: number | null | undefined, digits = 0, unit = ''): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  return `${Number(value.toFixed(digits)) < 0 ? '−' : '+'}${figure(Math.abs(value), digits, unit)}`;
}

/** Wire time in this browser's zone and language. */
export function dateText(wireTime: string | null | undefined): string {
  if (!wireTime) return UNKNOWN;
  return new Date(wireTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** `1 camera`, `3 cameras`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

const PROFILE = /^(h26[45]|mjpeg) (\d+)x(\d+)@([\d.]+)$/;

/** `h265 3840x2160@30` → `H.265 3840×2160, 30 fps`; anything else as it is. */
export function profileText(profile: string): string {
  const [, codec, width, height, fps] = PROFILE.exec(profile) ?? [];
  return codec === undefined ? profile : `${codecText(codec)} ${width}×${height}, ${fps} fps`;
}

/** `h264` → `H.264`. */
export function codecText(codec: string): string {
  return codec.toUpperCase().replace(/^H26/, 'H.26');
}
