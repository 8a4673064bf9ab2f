/** A place in a film for people, to a tenth of a second: `0:12.3`, `1:02:03.4`. */
export function clockTime(sec: number): string {
  const tenths = Math.round(sec * 10);
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60];
  const rest = `${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}
