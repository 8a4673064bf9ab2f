import { z } from 'zod';

/**
 * Times. On the wire RFC 3339 UTC with microseconds; inside the programs integer microseconds, which a double
 * holds exactly until the year 2255. A monotonic time means nothing without the `boot_id` of its kernel.
 */

const WIRE_TIME = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z$/;

/** RFC 3339 in UTC, written by us with six decimals, read with none to nine. */
export const WireTime = z
  .string()
  .refine(
    (text) => parsed(text) !== undefined,
    'must be an RFC 3339 time in UTC, such as 2024-03-15T14:00:00.123456Z',
  )
  .describe('RFC 3339 time in UTC with microseconds');

/** Microseconds since 1970-01-01T00:00:00Z → `2024-03-15T14:00:00.123456Z`. */
export function toWireTime(epochUs: number): string {
  const whole = Math.floor(epochUs / 1000);
  const micros = Math.round(epochUs - whole * 1000);
  if (micros === 1000) return toWireTime((whole + 1) * 1000);
  return `${new Date(whole).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

/** RFC 3339 UTC → microseconds since 1970. Digits beyond microseconds are cut. Throws `RangeError` on anything else. */
export function fromWireTime(text: string): number {
  const us = parsed(text);
  if (us === undefined) throw new RangeError(`"${text}" is not an RFC 3339 time in UTC`);
  return us;
}

function parsed(text: string): number | undefined {
  const [, whole, fraction = ''] = WIRE_TIME.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const wholeMs = Date.parse(`${whole}Z`);
  // JavaScript takes the 30th of February for the 1st of March, and 24:00 for the next day.
  if (Number.isNaN(wholeMs) || new Date(wholeMs).toISOString().slice(0, 19) !== whole) return undefined;
  return wholeMs * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** `YYYYMMDD_HHMMSS` in UTC, as file and session names carry it. */
export function fileStamp(epochUs: number): string {
  return new Date(Math.floor(epochUs / 1000))
    .toISOString()
    .slice(0, 19)
    .replace(/[-:]/g, '')
    .replace('T', '_');
}
