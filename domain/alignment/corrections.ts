import type { CameraId } from '#contracts/ids.ts';
import type { Sighting } from './beep.ts';
import type { Claim } from './claim.ts';
import { SOUND_M_PER_SEC } from './compare.ts';

/** By how much a file began later than its manifest says, where something else is known better. Microseconds. */
export interface Correction {
  readonly cameraId: CameraId;
  readonly part: number;
  /** To be added to the start. */
  readonly byUs: number;
  readonly uncertaintyUs: number;
  /** `timeline`: its clock was known better later on; `beep`: heard at another time than by the camera whose clock is known best. */
  readonly from: 'timeline' | 'beep';
  /** What the clocks guarantee without it; null when they guarantee nothing. */
  readonly claimedUs: number | null;
}

export interface Listener {
  readonly claim: Claim;
  /** The start beep in its sound, from the start of the file. */
  readonly beep: Sighting;
}

/** A correction has to be known so much better than what it corrects. */
const CERTAIN_PART = 0.5;

/**
 * The corrections that are certain enough: their uncertainty is below half of what the clocks guarantee, and what they correct is more than it. What a
 * file is corrected by holds for all files of that camera while its kernel ran. The microphones are at most `apartM` metres apart.
 */
export function correctionsOf(
  listeners: readonly Listener[],
  { apartM }: { readonly apartM: number },
): Correction[] {
  const byTimeline = listeners.flatMap(({ claim }) => timelineCorrection(claim));
  const placed = listeners.map(({ claim, beep }) => {
    const own = byTimeline.find(({ cameraId, part }) => cameraId === claim.cameraId && part === claim.part);
    const corrected = own && { startUs: claim.startUs + own.byUs, boundUs: own.uncertaintyUs };
    return { claim: { ...claim, ...corrected }, beep };
  });
  const heard = placed.flatMap(({ claim, beep }) => (beep.found ? [{ claim, beep }] : []));
  const boundOf = ({ claim }: { claim: Claim }): number => claim.boundUs ?? Number.POSITIVE_INFINITY;
  const reference = heard.reduce<(typeof heard)[number] | undefined>(
    (best, each) => (best && boundOf(best) <= boundOf(each) ? best : each),
    undefined,
  );
  if (!reference) return byTimeline;
  const pathUs = (apartM / SOUND_M_PER_SEC) * 1e6;
  const byBeep = heard.flatMap((each): Correction[] => {
    if (each.claim.cameraId === reference.claim.cameraId) return [];
    const byUs = reference.claim.startUs + reference.beep.atUs - (each.claim.startUs + each.beep.atUs);
    const uncertaintyUs = Math.hypot(reference.beep.uncertaintyUs, each.beep.uncertaintyUs) + pathUs;
    const claimed = boundOf(reference) + boundOf(each);
    if (!isCertain(byUs, uncertaintyUs, claimed)) return [];
    const claimedUs = Number.isFinite(claimed) ? claimed : null;
    return placed
      .filter(({ claim }) => claim === each.claim || sameKernel(claim, each.claim))
      .map(({ claim: { cameraId, part } }) => {
        const before = byTimeline.find((one) => one.cameraId === cameraId && one.part === part)?.byUs ?? 0;
        return { cameraId, part, byUs: before + byUs, uncertaintyUs, from: 'beep', claimedUs };
      });
  });
  const isHeard = (one: Correction): boolean =>
    byBeep.some(({ cameraId, part }) => cameraId === one.cameraId && part === one.part);
  return [...byTimeline.filter((one) => !isHeard(one)), ...byBeep];
}

function timelineCorrection({ cameraId, part, startUs, boundUs, masterTime, timeline }: Claim): Correction[] {
  if (!timeline) return [];
  const byUs = timeline.startUs - startUs;
  const { uncertaintyUs } = timeline;
  // Without master time the manifest tells the node's own clock, whatever that showed.
  const claimedUs = masterTime ? boundUs : null;
  if (!isCertain(byUs, uncertaintyUs, claimedUs ?? Number.POSITIVE_INFINITY)) return [];
  return [{ cameraId, part, byUs, uncertaintyUs, from: 'timeline', claimedUs }];
}

const isCertain = (byUs: number, uncertaintyUs: number, claimedUs: number): boolean =>
  uncertaintyUs < CERTAIN_PART * claimedUs && Math.abs(byUs) > uncertaintyUs;

const sameKernel = (a: Claim, b: Claim): boolean =>
  a.cameraId === b.cameraId && a.bootId !== null && a.bootId === b.bootId;
