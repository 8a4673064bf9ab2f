import { TouchlineError } from '#contracts/errors.ts';

/**
 * One exchange of four time stamps. t1 and t4 are monotonic microseconds of this node, at sending and at receiving the answer; t2 and t3 are rig
 * (master) time as the peer reads it, microseconds since 1970, at receiving and at answering. `peerBoundUs` is how wrong the
 * peer's rig time may be itself.
 */
export interface ExchangeSample {
  readonly t1MonoUs: number;
  readonly t2MasterUs: number;
  readonly t3MasterUs: number;
  readonly t4MonoUs: number;
  readonly peerBoundUs: number;
}

const FIELDS = ['t1MonoUs', 't2MasterUs', 't3MasterUs', 't4MonoUs', 'peerBoundUs'] as const;
/** Both sides cut their time stamps to whole microseconds, so that a delay may come out this much too small. */
export const STAMP_ERROR_US = 2;

/** Throws `TouchlineError` `invalid_field` that names the time stamp when the exchange cannot have happened. */
export function checkExchange(sample: ExchangeSample, maxRatePpm: number): void {
  for (const field of FIELDS)
    if (!Number.isFinite(sample[field]))
      throw refused(field, `is ${sample[field]}, not a number of microseconds`);
  const { t1MonoUs, t2MasterUs, t3MasterUs, t4MonoUs, peerBoundUs } = sample;
  if (peerBoundUs < 0) throw refused('peerBoundUs', `is ${peerBoundUs}: a bound is not negative`);
  if (t4MonoUs < t1MonoUs) throw refused('t4MonoUs', 'is before t1MonoUs: received before it was asked');
  if (t3MasterUs < t2MasterUs)
    throw refused('t3MasterUs', 'is before t2MasterUs: answered before it was received');
  const spentUs = t4MonoUs - t1MonoUs;
  const slackUs = STAMP_ERROR_US + (spentUs * maxRatePpm) / 1e6;
  if (t3MasterUs - t2MasterUs > spentUs + slackUs)
    throw refused(
      't3MasterUs',
      `says that answering took longer than the whole exchange of ${spentUs} µs: a negative delay`,
    );
}

/** What took the exchange on its way, there and back, microseconds; never negative. */
export function roundTripUs({ t1MonoUs, t2MasterUs, t3MasterUs, t4MonoUs }: ExchangeSample): number {
  return Math.max(0, t4MonoUs - t1MonoUs - (t3MasterUs - t2MasterUs));
}

function refused(field: string, reason: string): TouchlineError {
  return new TouchlineError('invalid_field', `${field} ${reason}`, {
    field,
    remedy: 'Drop this exchange; if it happens again, look at the program that took the time stamp.',
  });
}
