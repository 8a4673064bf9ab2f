import type { GaugeReading } from './battery-run.ts';

/** Why a line was not believed; `foreign` is one that does not even begin like ours. */
export type LineRefusal = 'foreign' | 'malformed' | 'checksum' | 'range';

export type BatteryLine =
  | { readonly reading: GaugeReading }
  | { readonly refused: LineRefusal; readonly field?: string };

/** The protocol of docs/battery.md. Without the end of line. */
export const LONGEST_LINE_CHARS = 96;
/** No pack on a mast has more; also what a divider of the usual kind can measure. */
const MAX_MILLIVOLTS = 60_000;

const LINE = /^(TLB1( [a-z][a-z0-9_]{0,11}=[0-9A-Za-z.+-]{1,12}){1,8}) \*([0-9A-F]{4})$/;

/** Reads one line; keys that are not known are passed over, so that a board may tell more than we ask. */
export function parseBatteryLine(line: string): BatteryLine {
  if (!line.startsWith('TLB')) return { refused: 'foreign' };
  const [, body, , sum] = LINE.exec(line.length > LONGEST_LINE_CHARS ? '' : line) ?? [];
  if (body === undefined || sum === undefined) return { refused: 'malformed' };
  if (checksum(body) !== sum) return { refused: 'checksum' };
  const fields = new Map<string, string>();
  for (const pair of body.split(' ').slice(1)) {
    const [key = '', value = ''] = pair.split('=');
    if (fields.has(key)) return { refused: 'malformed', field: key };
    fields.set(key, value);
  }
  const percent = decimal(fields.get('pct'), /^\d{1,3}(\.\d)?$/, 100);
  if (percent === undefined || percent === null) return { refused: 'range', field: 'pct' };
  const millivolts = decimal(fields.get('mv'), /^\d{1,5}$/, MAX_MILLIVOLTS);
  if (millivolts === undefined) return { refused: 'range', field: 'mv' };
  const charging = decimal(fields.get('chg'), /^[01]$/, 1);
  if (charging === undefined) return { refused: 'range', field: 'chg' };
  return {
    reading: {
      percent,
      volts: millivolts === null ? null : millivolts / 1000,
      charging: charging === null ? null : charging === 1,
    },
  };
}

/** The line that says this; what a board sends, and tests. */
export function batteryLine({ percent, volts, charging }: GaugeReading): string {
  const fields = [
    `pct=${percent.toFixed(1)}`,
    ...(volts === null ? [] : [`mv=${Math.round(volts * 1000)}`]),
    ...(charging === null ? [] : [`chg=${charging ? 1 : 0}`]),
  ];
  const body = `TLB1 ${fields.join(' ')}`;
  return `${body} *${checksum(body)}`;
}

/** Null when it is not told, undefined when it is told wrongly. */
function decimal(text: string | undefined, form: RegExp, max: number): number | null | undefined {
  if (text === undefined) return null;
  const value = Number(text);
  return form.test(text) && value <= max ? value : undefined;
}

/** CRC-16/CCITT-FALSE (polynomial 0x1021, initial 0xFFFF): four upper-case hexadecimal digits; of "123456789" it is 29B1. */
export function checksum(text: string): string {
  let crc = 0xffff;
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at) << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc.toString(16).toUpperCase().padStart(4, '0');
}
