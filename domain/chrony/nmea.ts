/** What a receiver's RMC sentence says (NMEA 0183): the instant of a fix, or that there is none. */
export type RmcSentence = { readonly fix: true; readonly utcUs: number } | { readonly fix: false };

const RMC =
  /^\$([A-Z]{2}RMC,(\d{2})(\d{2})(\d{2})(?:\.(\d{1,6}))?,([AV]),[^*]*?,(\d{2})(\d{2})(\d{2}),[^*]*)\*([0-9A-F]{2})$/;
const WITHOUT_FIX = /^\$([A-Z]{2}RMC,[^*]*)\*([0-9A-F]{2})$/;
/** Two digits of the year: GPS began in 1980, and this program later. */
const CENTURY = 2000;

/** Reads one line of a receiver. Undefined for every other sentence, and for one whose checksum is wrong. */
export function parseRmc(line: string): RmcSentence | undefined {
  const text = line.trim();
  const [, body, sum] = WITHOUT_FIX.exec(text) ?? [];
  if (body === undefined || sum === undefined || checksumOf(body) !== Number.parseInt(sum, 16))
    return undefined;
  const [, , hour, minute, second, fraction = '', status, day, month, year] = RMC.exec(text) ?? [];
  if (status !== 'A') return { fix: false };
  const wholeMs = Date.UTC(
    CENTURY + Number(year),
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  return { fix: true, utcUs: wholeMs * 1000 + Number(fraction.padEnd(6, '0')) };
}

function checksumOf(body: string): number {
  let sum = 0;
  for (let n = 0; n < body.length; n++) sum ^= body.charCodeAt(n);
  return sum;
}
