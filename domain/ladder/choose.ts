import { COPY, type LadderProfile, loadOf, profileKey } from './rungs.ts';

/** What an encoder was measured to do. */
export interface Measurement {
  /** How many times as fast as real time. */
  readonly speed: number;
  /** Pictures that did not come out. */
  readonly dropped: number;
}

/** A rung holds when it is at least this many times as fast as real time, without a drop (N2): the rest is for what else a node does. */
export const HOLDS_AT_SPEED = 1.15;
/** What a machine that was never measured is trusted with: 1080p30 at the lightest preset of H.264. */
const TRUSTED_LOAD = 1920 * 1080 * 30;

/** Frames that wait between camera and encoder: buffers of libcamera in rpicam-vid, and what the encoder holds. */
const CAMERA_BUFFERS = 6;

/**
 * Frames that a camera would have lost, had the encoder run no faster than it did in each stretch of time: what it made beyond what the
 * camera delivers does not help later.
 */
export function backlogDrops(
  stretches: readonly { readonly seconds: number; readonly frames: number }[],
  fps: number,
): number {
  let waiting = 0;
  let dropped = 0;
  for (const { seconds, frames } of stretches) {
    waiting = Math.max(0, waiting + seconds * fps - frames);
    const lost = Math.max(0, waiting - CAMERA_BUFFERS);
    dropped += lost;
    waiting -= lost;
  }
  return Math.round(dropped);
}

export interface Choice<Profile extends LadderProfile> {
  readonly profile: Profile;
  /** Why it is not the best of the offer; null when it is. */
  readonly reason: string | null;
  /** Whether this machine was measured to sustain it. */
  readonly measured: boolean;
}

export function holds({ speed, dropped }: Measurement): boolean {
  return speed >= HOLDS_AT_SPEED && dropped === 0;
}

/**
 * The best profile that this machine sustains. `profiles`: best first. `measurements`: by `profileKey`. `named`: the configuration names
 * the rung, so it is taken whatever was measured.
 */
export function chooseProfile<Profile extends LadderProfile>({
  profiles,
  measurements,
  named = false,
}: {
  profiles: readonly [Profile, ...Profile[]];
  measurements: Readonly<Record<string, Measurement>>;
  named?: boolean;
}): Choice<Profile> {
  const [best] = profiles;
  const measured = (profile: Profile): Measurement | undefined => measurements[profileKey(profile)];
  if (named) {
    const result = measured(best);
    const reason =
      result && !holds(result) ? `${describe(best, result)}: used all the same, as configured` : null;
    return { profile: best, reason, measured: result !== undefined };
  }
  if (best.rung === COPY) return { profile: best, reason: null, measured: false };

  const failed = profiles.filter((profile) => {
    const result = measured(profile);
    return result !== undefined && !holds(result);
  });
  // What asks no less than something that failed fails too.
  const limit = Math.min(Number.POSITIVE_INFINITY, ...failed.map(loadOf));
  const possible = profiles.filter((profile) => loadOf(profile) < limit);
  const [worst] = failed.slice(-1);
  const result = worst && measured(worst);
  const why = worst && result ? describe(worst, result) : undefined;

  const sustained = possible.find((profile) => measured(profile) !== undefined);
  if (sustained)
    return {
      profile: sustained,
      reason: sustained === best ? null : (why ?? 'not measured yet'),
      measured: true,
    };
  const trusted = possible.find((profile) => loadOf(profile) <= TRUSTED_LOAD) ?? possible.at(-1);
  if (trusted) {
    const notYet = trusted === best && !why ? null : 'not measured yet';
    return {
      profile: trusted,
      reason: why ? `${why}; the rest is not measured yet` : notYet,
      measured: false,
    };
  }
  // Nothing holds: the lightest loses least.
  return { profile: profiles.at(-1) ?? best, reason: why ?? null, measured: true };
}

/** The next profile down; undefined when there is none. */
export function stepDown<Profile extends LadderProfile>(
  profiles: readonly Profile[],
  current: LadderProfile,
): Profile | undefined {
  return profiles.find((profile) => loadOf(profile) < loadOf(current));
}

/** `x265-ultrafast 3840x2160@30 holds 0.25 times real time`. */
function describe(profile: LadderProfile, { speed, dropped }: Measurement): string {
  const lost = dropped > 0 ? ` and loses ${dropped} pictures` : '';
  return `${profileKey(profile)} holds ${speed.toFixed(2)} times real time${lost}`;
}
