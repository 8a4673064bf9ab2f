import { UNKNOWN } from '../../live/format.ts';

/** `83.456` → `1:23.45`: cut, not rounded, so that no moment is named before it is there. */
export function momentText(seconds: number): string {
  const hundredths = Math.max(0, Math.floor(seconds * 100 + 1e-6));
  const two = (value: number): string => String(value).padStart(2, '0');
  const whole = Math.floor(hundredths / 100);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = `${two(whole % 60)}.${two(hundredths % 100)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** Seconds → `+3 ms`, with a sign that is there for zero too, so that nothing moves. */
export function offsetText(seconds: number | null): string {
  if (seconds === null) return `${UNKNOWN} ms`;
  const ms = Math.round(seconds * 1000);
  return `${ms < 0 ? '−' : '+'}${Math.abs(ms)} ms`;
}
