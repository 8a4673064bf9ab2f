import type { Sighting } from './beep.ts';
import type { Claim } from './claim.ts';
import type { Line } from './line.ts';

/** A file with what it claims and what it shows. */
export interface Witness {
  readonly claim: Claim;
  /** Burned-in clock (microseconds since 1970) over the time in the file, or why there is none. */
  readonly pixels: Line | { readonly reason: string };
  /** The beep, from the start of the file. */
  readonly beep: Sighting;
}

/** How much later the first frame of the second file was exposed than that of the first. Microseconds. */
export interface Offset {
  readonly offsetUs: number;
  /** 95 % for what was measured; for a clock what it guarantees, null when it guarantees nothing. */
  readonly uncertaintyUs: number | null;
}
export type Measured = (Offset & { readonly uncertaintyUs: number }) | { readonly reason: string };

export interface Drift {
  /** How much the offset grows from the first common moment to the last. */
  readonly driftUs: number;
  readonly uncertaintyUs: number;
}

export interface PairAlignment {
  readonly files: readonly [FileName, FileName];
  /** How long both recorded, by their clocks. */
  readonly commonUs: number;
  readonly clock: Offset;
  readonly timeline: Offset | null;
  readonly pixels: Measured;
  readonly sound: Measured;
  /** Whether the pictures of both show one and the same clock; if not, those of their machines, each corrected by its timeline. */
  readonly oneClock: boolean;
  readonly pixelDrift: Drift | null;
  readonly timelineDrift: Drift | null;
  /** How far the exposures of the two cameras are apart within a frame, by the best that is known; null at different frame rates. */
  readonly phaseUs: number | null;
  readonly disagreements: readonly Disagreement[];
}

export interface FileName {
  readonly cameraId: string;
  readonly part: number;
}

export interface Disagreement {
  /** What contradicts the clocks' claim. */
  readonly by: 'pixels' | 'sound' | 'timeline';
  /** Claim minus proof. */
  readonly offUs: number;
  /** What their uncertainties allow. */
  readonly allowedUs: number;
}

export interface CompareOptions {
  /** The microphones are at most so far apart; sound needs 1 s for 343 m. */
  readonly apartM: number;
  /** What two tracks heard alike, for files in which the beep is not. */
  readonly alike?: (a: Claim, b: Claim) => Alike;
}

/** A moment that both tracks heard: where it lies in each, from the start of the file, or why there is none. */
export type Alike =
  | { readonly atUs: number; readonly otherAtUs: number; readonly uncertaintyUs: number }
  | { readonly reason: string };

export type Verdict = 'agree' | 'disagree' | 'no_proof';

export interface SessionAlignment {
  readonly pairs: readonly PairAlignment[];
  readonly verdict: Verdict;
  /** The one file whose claim explains all that disagrees; null when there is none, or several would. */
  readonly suspect: FileName | null;
  /** Cameras that no independent proof says anything of. */
  readonly unproven: readonly string[];
}

export const SOUND_M_PER_SEC = 343;
/** A frame is stamped by one clock and shows another; on a busy machine they are read within this of each other (`ports/clock`). */
const READING_US = 50;
/** Measured uncertainties hold for 95 of 100; of all the pairs that are ever compared none should be accused by chance: twice that is four sigmas. */
const CHANCE = 2;

/** Whether a pair of files can be compared: of two cameras, recorded at the same time, by their clocks. */
export const isPair = (a: Claim, b: Claim): boolean => a.cameraId !== b.cameraId && commonUs(a, b) > 0;

/** Compares each file with those of the other cameras that were recorded at the same time. */
export function compareSession(witnesses: readonly Witness[], options: CompareOptions): SessionAlignment {
  const pairs = witnesses.flatMap((a, n) =>
    witnesses
      .slice(n + 1)
      .filter((b) => isPair(a.claim, b.claim))
      .map((b) => comparePair(a, b, options)),
  );
  const proven = new Set(
    pairs.filter(hasProof).flatMap(({ files }) => files.map(({ cameraId }) => cameraId)),
  );
  const cameras = [...new Set(witnesses.map(({ claim }) => claim.cameraId))];
  const unproven = cameras.filter((cameraId) => !proven.has(cameraId));
  const disagree = pairs.some(({ disagreements }) => disagreements.length > 0);
  return {
    pairs,
    verdict: disagree ? 'disagree' : cameras.length < 2 || unproven.length > 0 ? 'no_proof' : 'agree',
    suspect: suspectOf(pairs),
    unproven,
  };
}

export const isMeasured = (measured: Measured): measured is Offset & { uncertaintyUs: number } =>
  'offsetUs' in measured;
const hasProof = ({ pixels, sound }: PairAlignment): boolean => isMeasured(pixels) || isMeasured(sound);

function comparePair(a: Witness, b: Witness, { apartM, alike }: CompareOptions): PairAlignment {
  const [x, y] = [a.claim, b.claim];
  const common = commonUs(x, y);
  const clock: Offset = { offsetUs: y.startUs - x.startUs, uncertaintyUs: sumOf(x.boundUs, y.boundUs) };
  const timeline: Offset | null =
    x.timeline && y.timeline
      ? {
          offsetUs: y.timeline.startUs - x.timeline.startUs,
          uncertaintyUs: sumOf(x.timeline.boundUs, y.timeline.boundUs),
        }
      : null;
  const pixels = byPixels(a, b);
  const sound = bySound(a, b, (apartM / SOUND_M_PER_SEC) * 1e6, alike);
  // Files without a guarantee are put side by side to the frame: that much is claimed.
  const frameUs = 1e6 / Math.min(x.fps, y.fps);
  const claimedUs = clock.uncertaintyUs ?? frameUs;
  const judge = (by: Disagreement['by'], proof: Measured | Offset | null): Disagreement[] => {
    if (proof === null || 'reason' in proof) return [];
    const offUs = clock.offsetUs - proof.offsetUs;
    const measuredUs =
      by === 'timeline' ? (proof.uncertaintyUs ?? frameUs) : CHANCE * (proof.uncertaintyUs ?? 0);
    const allowedUs = claimedUs + measuredUs + 2 * READING_US;
    return Math.abs(offUs) > allowedUs ? [{ by, offUs, allowedUs }] : [];
  };
  const best = [pixels, sound].find(isMeasured) ?? timeline ?? clock;
  return {
    files: [nameOf(x), nameOf(y)],
    commonUs: common,
    ...{ clock, timeline, pixels, sound },
    oneClock: sameClock(x, y),
    pixelDrift: pixelDriftOf(a, b, common),
    timelineDrift: timelineDriftOf(x, y, common),
    phaseUs: x.fps === y.fps ? phaseOf(best.offsetUs, 1e6 / x.fps) : null,
    disagreements: [...judge('pixels', pixels), ...judge('sound', sound), ...judge('timeline', timeline)],
  };
}

const nameOf = ({ cameraId, part }: Claim): FileName => ({ cameraId, part });
const sumOf = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : a + b;

function commonUs(a: Claim, b: Claim): number {
  const from = Math.max(a.startUs, b.startUs);
  return Math.min(a.startUs + a.durationUs, b.startUs + b.durationUs) - from;
}

/** A manifest that does not tell its kernel is not held against it: there is one clock, or the offset shows it. */
const sameClock = (a: Claim, b: Claim): boolean =>
  a.bootId === null || b.bootId === null || a.bootId === b.bootId;

function byPixels(a: Witness, b: Witness): Measured {
  for (const { claim, pixels } of [a, b]) {
    if ('reason' in pixels) return { reason: `${claim.cameraId}: ${pixels.reason}` };
    if (claim.replayed)
      return {
        reason: `${claim.cameraId}: its clock is that of the film that was played, not of the moment`,
      };
  }
  const [p, q] = [(a.pixels as Line).at(0), (b.pixels as Line).at(0)];
  const shown = q.value - p.value;
  const measuredUs = Math.hypot(p.uncertainty, q.uncertainty);
  if (sameClock(a.claim, b.claim)) return { offsetUs: shown, uncertaintyUs: measuredUs };
  const [m, n] = [a.claim, b.claim].map((claim) => claim.localMinusMasterUs);
  const unknown = [a.claim, b.claim].find((claim) => claim.localMinusMasterUs === null);
  if (m == null || n == null)
    return {
      reason: `${unknown?.cameraId} shows the clock of its own machine, and no timeline tells how that stood`,
    };
  const bounds = [a.claim, b.claim].map(({ timeline, boundUs }) => timeline?.boundUs ?? boundUs ?? 0);
  return { offsetUs: shown - n + m, uncertaintyUs: measuredUs + (bounds[0] ?? 0) + (bounds[1] ?? 0) };
}

function bySound(a: Witness, b: Witness, pathUs: number, alike: CompareOptions['alike']): Measured {
  if (a.beep.found && b.beep.found)
    return {
      offsetUs: a.beep.atUs - b.beep.atUs,
      uncertaintyUs: Math.hypot(a.beep.uncertaintyUs, b.beep.uncertaintyUs) + pathUs,
    };
  const both = alike?.(a.claim, b.claim);
  if (both && 'atUs' in both)
    return { offsetUs: both.atUs - both.otherAtUs, uncertaintyUs: both.uncertaintyUs + pathUs };
  for (const { claim, beep } of [a, b])
    if (!beep.found)
      return { reason: [`${claim.cameraId}: ${beep.reason}`, both?.reason].filter(Boolean).join('; ') };
  return { reason: 'no sound' };
}

function pixelDriftOf({ pixels: p }: Witness, { pixels: q }: Witness, common: number): Drift | null {
  if ('reason' in p || 'reason' in q || p.slopeUncertainty === 0 || q.slopeUncertainty === 0) return null;
  return {
    driftUs: (q.slope - p.slope) * common,
    uncertaintyUs: Math.hypot(p.slopeUncertainty, q.slopeUncertainty) * common,
  };
}

function timelineDriftOf(a: Claim, b: Claim, common: number): Drift | null {
  if (!a.timeline || !b.timeline || a.durationUs <= 0 || b.durationUs <= 0) return null;
  const rate = ({ durationUs }: Claim, us: number): number => (us / durationUs) * common;
  return {
    driftUs: rate(b, b.timeline.driftUs) - rate(a, a.timeline.driftUs),
    uncertaintyUs: Math.hypot(rate(a, a.timeline.driftUncertaintyUs), rate(b, b.timeline.driftUncertaintyUs)),
  };
}

/** Between minus half a frame and half a frame. */
export const phaseOf = (offsetUs: number, frameUs: number): number =>
  offsetUs - frameUs * Math.round(offsetUs / frameUs);

/** The file that is in every pair that disagrees, and in none that a proof confirms. */
function suspectOf(pairs: readonly PairAlignment[]): FileName | null {
  const bad = pairs.filter(({ disagreements }) => disagreements.length > 0);
  const good = pairs.filter((pair) => pair.disagreements.length === 0 && hasProof(pair));
  const [first] = bad;
  if (!first) return null;
  const isIn = (pair: PairAlignment, name: FileName): boolean =>
    pair.files.some(({ cameraId, part }) => cameraId === name.cameraId && part === name.part);
  const suspects = first.files.filter(
    (name) => bad.every((pair) => isIn(pair, name)) && !good.some((pair) => isIn(pair, name)),
  );
  const [only, other] = suspects;
  return only && !other ? only : null;
}
