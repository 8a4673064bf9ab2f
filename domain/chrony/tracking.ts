import { TouchlineError } from '#contracts/errors.ts';

/** What chronyd knows about the clock: `chronyc -c tracking` (chronyc(1), "tracking"). Times in microseconds. */
export interface Tracking {
  /** Reference identifier, eight hex digits. */
  readonly referenceId: string;
  /** Address or name of what it follows; the reference of a clock that follows nothing has none. */
  readonly referenceName: string | null;
  /** 0: follows nothing and serves nothing. */
  readonly stratum: number;
  /** When it was last heard, by the reference's clock, since 1970; null before that. */
  readonly referenceTimeUs: number | null;
  /** Local clock minus reference: positive is fast. */
  readonly offsetUs: number;
  readonly frequencyPpm: number;
  readonly rootDelayUs: number;
  readonly rootDispersionUs: number;
  readonly synchronised: boolean;
}

/** The reference of a clock that is served as it is (`local`), 127.127.1.1 in hex. */
const LOCAL_REFERENCE = '7F7F0101';
const LEAP = ['Normal', 'Insert second', 'Delete second', 'Not synchronised'];
const FIELDS = 14;
const DECIMAL = /^[+-]?\d+(\.\d+)?$/;

/** Reads the one line of `chronyc -c tracking`. Throws `time_daemon_failed` that names the field and what stands there instead. */
export function parseTracking(text: string): Tracking {
  const fields = text.replace(/\r?\n$/, '').split(',');
  if (fields.length !== FIELDS)
    throw refused(`${FIELDS} fields were expected, not ${fields.length}: ${shown(text)}`);
  const at = (index: number): string => fields[index] ?? '';
  const number = (index: number, name: string): number => {
    const value = Number(at(index));
    if (!DECIMAL.test(at(index)) || !Number.isFinite(value)) throw refused(`${name} is ${shown(at(index))}`);
    return value;
  };
  const seconds = (index: number, name: string): number => Math.round(number(index, name) * 1e9) / 1e3;

  const referenceId = at(0);
  if (!/^[0-9A-F]{8}$/.test(referenceId)) throw refused(`the reference is ${shown(referenceId)}`);
  const stratum = number(2, 'the stratum');
  if (!Number.isInteger(stratum) || stratum < 0 || stratum > 16) throw refused(`the stratum is ${stratum}`);
  if (!LEAP.includes(at(13))) throw refused(`the leap status is ${shown(at(13))}`);
  const [rootDelayUs, rootDispersionUs] = [seconds(10, 'the root delay'), seconds(11, 'the root dispersion')];
  if (rootDispersionUs < 0) throw refused('the root dispersion is negative');
  const referenceTime = number(3, 'the reference time');
  return {
    referenceId,
    referenceName: at(1) === '' ? null : at(1),
    stratum,
    referenceTimeUs: referenceTime === 0 ? null : Math.round(referenceTime * 1e6),
    // chronyc tells the correction that is still to be made: positive where the clock is slow.
    offsetUs: -seconds(4, 'the correction'),
    frequencyPpm: number(7, 'the frequency'),
    rootDelayUs,
    rootDispersionUs,
    synchronised: at(13) !== 'Not synchronised',
  };
}

/** How far the clock can be from its reference (RFC 5905, section 11.2: root distance, and what chronyd has still to correct). */
export function trackingBoundUs(tracking: Tracking): number {
  return Math.abs(tracking.offsetUs) + tracking.rootDispersionUs + Math.abs(tracking.rootDelayUs) / 2;
}

/** Whether the clock follows something other than itself. */
export function followsReference(tracking: Tracking): boolean {
  return tracking.synchronised && tracking.stratum > 0 && tracking.referenceId !== LOCAL_REFERENCE;
}

function refused(what: string): TouchlineError {
  return new TouchlineError('time_daemon_failed', `chronyc tracking cannot be read: ${what}`);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
