import {
  type Disagreement,
  type Drift,
  type FileName,
  isMeasured,
  type Measured,
  type Offset,
  type PairAlignment,
  type SessionAlignment,
  type Witness,
} from '#domain/alignment/compare.ts';
import type { FoundSession, Problem } from './find-session.ts';

export interface Report {
  readonly session: Pick<FoundSession, 'sessionId' | 'sessionUid'>;
  readonly witnesses: readonly Witness[];
  readonly problems: readonly Problem[];
  readonly alignment: SessionAlignment;
}

export function exitCodeOf({ problems, alignment }: Report): 0 | 1 | 2 {
  if (problems.length > 0 || alignment.verdict === 'disagree') return 1;
  return alignment.verdict === 'agree' ? 0 : 2;
}

const COLUMNS = [
  'cameras',
  'by clock',
  'by timeline',
  'by pixels',
  'by sound',
  'drift',
  'phase',
  '',
] as const;

/** A table for people: how much later the second camera of each pair began, in milliseconds. */
export function asText(report: Report): string {
  const { session, alignment, problems } = report;
  const rows = [COLUMNS as readonly string[], ...alignment.pairs.map(cellsOf)];
  const widths = COLUMNS.map((_, n) => Math.max(...rows.map((row) => (row[n] ?? '').length)));
  const table = rows.map((row) =>
    row
      .map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [
    `Session ${session.sessionId}: start of the second camera after the first, in milliseconds`,
    '',
    ...(alignment.pairs.length > 0 ? table : ['no two cameras recorded at the same time']),
    '',
    ...reasonsOf(alignment.pairs),
    ...problems.map(({ where, what }) => `! ${where}: ${what}`),
    ...verdictOf(report),
    '',
  ].join('\n');
}

function cellsOf(pair: PairAlignment): string[] {
  return [
    pair.files.map(nameOf).join(' → '),
    offsetOf(pair.clock),
    pair.timeline ? offsetOf(pair.timeline) : '-',
    measuredOf(pair.pixels),
    measuredOf(pair.sound),
    driftOf(pair.pixelDrift ?? pair.timelineDrift),
    pair.phaseUs === null ? '-' : ms(pair.phaseUs),
    pair.disagreements.length > 0 ? 'DISAGREE' : isProven(pair) ? 'agree' : 'no proof',
  ];
}

const nameOf = ({ cameraId, part }: FileName): string => (part === 1 ? cameraId : `${cameraId} part ${part}`);
const isProven = ({ pixels, sound }: PairAlignment): boolean => isMeasured(pixels) || isMeasured(sound);
const measuredOf = (measured: Measured): string => (isMeasured(measured) ? offsetOf(measured) : '-');
const driftOf = (drift: Drift | null): string =>
  drift ? `${ms(drift.driftUs)} ±${width(drift.uncertaintyUs)}` : '-';
const offsetOf = ({ offsetUs, uncertaintyUs }: Offset): string =>
  `${ms(offsetUs)} ±${uncertaintyUs === null ? '?' : width(uncertaintyUs)}`;
/** With its sign; -0.000 is 0.000. */
const ms = (us: number): string => {
  const text = (us / 1000).toFixed(3);
  return Number(text) === 0 ? '0.000' : us > 0 ? `+${text}` : text;
};
const width = (us: number): string => (us / 1000).toFixed(3);

/** Why something could not be measured: each reason once. */
function reasonsOf(pairs: readonly PairAlignment[]): string[] {
  const reasons = (kind: 'pixels' | 'sound'): string[] => [
    ...new Set(pairs.flatMap(({ [kind]: measured }) => ('reason' in measured ? [measured.reason] : []))),
  ];
  const lines = [
    ...reasons('pixels').map((reason) => `  not by pixels: ${reason}`),
    ...reasons('sound').map((reason) => `  not by sound: ${reason}`),
    ...(pairs.some((pair) => !pair.oneClock && isMeasured(pair.pixels))
      ? [
          '  by pixels: the pictures show the clocks of several machines: this proves the way from exposure to file, not the clocks',
        ]
      : []),
  ];
  return lines.length > 0 ? [...lines, ''] : [];
}

function verdictOf({ alignment, problems }: Report): string[] {
  const broken = problems.length > 0 ? ['Something of the session is missing or broken: see above.'] : [];
  if (alignment.verdict === 'no_proof') {
    const some = alignment.pairs.some(isProven);
    return [
      some
        ? `No independent proof for ${alignment.unproven.join(', ')}: only what the clocks claim.`
        : 'There is no independent proof in this recording: only what the clocks claim.',
      ...broken,
    ];
  }
  const agree = 'Clocks and proof agree within their uncertainties';
  if (alignment.verdict === 'agree')
    return problems.length > 0 ? [`${agree} in what is there.`, ...broken] : [`${agree}.`];
  return [
    ...broken,
    ...alignment.pairs.flatMap(({ files, disagreements }) =>
      disagreements.map((each) => sentenceOf(files.map(nameOf).join(' → '), each)),
    ),
    alignment.suspect
      ? `The claim of ${nameOf(alignment.suspect)} alone explains it.`
      : 'No single camera explains it.',
  ];
}

const sentenceOf = (pair: string, { by, offUs, allowedUs }: Disagreement): string =>
  `${pair}: the clocks claim ${ms(offUs)} ms more than by ${by}, where ${width(allowedUs)} ms would be within the uncertainties.`;

/** Everything, in milliseconds and plain names. */
export function asJson(report: Report): unknown {
  const { session, alignment, problems, witnesses } = report;
  const inMs = (us: number | null): number | null => (us === null ? null : us / 1000);
  const offset = (each: Offset | null) =>
    each && { offset_ms: inMs(each.offsetUs), uncertainty_ms: inMs(each.uncertaintyUs) };
  const measured = (each: Measured) => ('reason' in each ? { reason: each.reason } : offset(each));
  const drift = (each: Drift | null) =>
    each && { drift_ms: inMs(each.driftUs), uncertainty_ms: inMs(each.uncertaintyUs) };
  const file = ({ cameraId, part }: FileName) => ({ camera_id: cameraId, part });
  return {
    session_id: session.sessionId,
    session_uid: session.sessionUid,
    verdict: problems.length > 0 ? 'broken' : alignment.verdict,
    alignment: alignment.verdict,
    suspect: alignment.suspect && file(alignment.suspect),
    unproven: alignment.unproven,
    problems,
    files: witnesses.map(({ claim, pixels, beep }) => ({
      ...file(claim),
      start_us: claim.startUs,
      master_time: claim.masterTime,
      bound_ms: inMs(claim.boundUs),
      duration_ms: inMs(claim.durationUs),
      timeline_rows: claim.timeline?.rows ?? 0,
      clock_in_pictures:
        'reason' in pixels
          ? pixels
          : { frames: pixels.points, start_us: pixels.at(0).value, worst_us: pixels.worst },
      beep: beep.found
        ? {
            at_ms: inMs(beep.atUs),
            uncertainty_ms: inMs(beep.uncertaintyUs),
            likeness: beep.likeness,
            peak_to_noise: beep.peakToNoise,
          }
        : { reason: beep.reason },
    })),
    pairs: alignment.pairs.map((pair) => ({
      files: pair.files.map(file),
      common_ms: inMs(pair.commonUs),
      by_clock: offset(pair.clock),
      by_timeline: offset(pair.timeline),
      by_pixels: measured(pair.pixels),
      by_sound: measured(pair.sound),
      one_clock: pair.oneClock,
      drift_by_pixels: drift(pair.pixelDrift),
      drift_by_timeline: drift(pair.timelineDrift),
      phase_ms: inMs(pair.phaseUs),
      disagreements: pair.disagreements.map(({ by, offUs, allowedUs }) => ({
        by,
        off_ms: inMs(offUs),
        allowed_ms: inMs(allowedUs),
      })),
    })),
  };
}
