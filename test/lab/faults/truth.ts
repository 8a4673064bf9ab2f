import type { TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Judged } from '../recordings/judge.ts';
import type { Done, PlayedSession } from './play.ts';
import type { Pressure } from './pressure.ts';
import type { Target } from './process-node.ts';

/** A stretch without pictures, wall clock in microseconds. */
export interface Stretch {
  readonly fromUs: number;
  readonly toUs: number;
}

/** One session: what the pictures show, against what its manifests say. */
export interface Verdict {
  readonly frames: number;
  readonly gaps: readonly Stretch[];
  /** Missing in the pictures, and in no manifest. */
  readonly unnoted: readonly Stretch[];
  /** In a manifest, and not missing in the pictures. */
  readonly phantoms: readonly Stretch[];
  /** How far the noted ends of gaps are from the true ones at most. */
  readonly worstErrorUs: number;
  readonly faults: readonly string[];
}

/** Less than this part of a frame between the end of one and the next is none that is missing. */
const JITTER = 0.5;

/**
 * Pictures are the truth: the burned-in clock of every frame of every file. `from` and `to` of a noted gap have to be within one frame of
 * what they show: the agreed instants of start and stop lie between two frames.
 */
export function judgeSession(session: PlayedSession, files: readonly Judged[], fps: number): Verdict {
  const periodUs = 1e6 / fps;
  const faults: string[] = [];
  const parts = files
    .flatMap((file) => (file.manifest ? [{ ...file, manifest: file.manifest }] : []))
    .filter(({ manifest }) => manifest.touchline.session_uid === session.uid)
    .sort((a, b) => a.manifest.touchline.part - b.manifest.touchline.part);
  const numbers = parts.map(({ manifest }) => manifest.touchline.part);
  if (numbers.some((part, index) => part !== index + 1)) faults.push(`its parts are ${numbers.join(', ')}`);
  const finals = parts.filter(({ manifest }) => manifest.touchline.final);
  if (finals.length !== 1 || !parts.at(-1)?.manifest.touchline.final)
    faults.push(`final are the parts ${finals.map(({ manifest }) => manifest.touchline.part).join(', ')}`);

  const exposures = parts.flatMap(({ frames }) => frames.map(({ epochUs }) => epochUs));
  const gaps: Stretch[] = [];
  // From the end of one frame to the next one; the first one may come up to a frame after the start that was agreed on.
  const look = (fromUs: number, toUs: number, slack = JITTER): void => {
    if (toUs - fromUs > slack * periodUs) gaps.push({ fromUs, toUs });
  };
  let endUs = session.startUs;
  for (const [index, exposedUs] of exposures.entries()) {
    const before = exposures[index - 1];
    if (before !== undefined && exposedUs <= before)
      faults.push(`frame ${index} was exposed ${(before - exposedUs) / 1000} ms before the one before it`);
    look(endUs, exposedUs, before === undefined ? 1 + JITTER : JITTER);
    endUs = exposedUs + periodUs;
  }
  look(endUs, session.stopUs);

  const noted = parts.flatMap(({ manifest }) => notedIn(manifest));
  const matched = new Set<Stretch>();
  let worstErrorUs = 0;
  const unnoted = gaps.filter((gap) => {
    const match = noted.find(
      (note) =>
        !matched.has(note) &&
        Math.abs(note.fromUs - gap.fromUs) <= periodUs &&
        Math.abs(note.toUs - gap.toUs) <= periodUs,
    );
    if (!match) return true;
    matched.add(match);
    worstErrorUs = Math.max(
      worstErrorUs,
      Math.abs(match.fromUs - gap.fromUs),
      Math.abs(match.toUs - gap.toUs),
    );
    return false;
  });
  const phantoms = noted.filter((note) => !matched.has(note));
  return { frames: exposures.length, gaps, unnoted, phantoms, worstErrorUs, faults };
}

function notedIn({ touchline }: TouchlineManifest): Stretch[] {
  return touchline.gaps.map(({ from, to }) => ({ fromUs: fromWireTime(from), toUs: fromWireTime(to) }));
}

/** These make no picture: whatever happens to them, none may be lost. */
const BYSTANDERS: readonly Target[] = ['broker', 'sync-agent', 'housekeeper'];
/** Clocks are read, and signals sent, within this. */
const SLACK_US = 500_000;

/** What a hit of the recorder or one of its programs cost: seconds without pictures around it. Zero when none were lost. */
export interface Cost {
  readonly target: Target;
  readonly stalled: boolean;
  readonly lostSec: number;
  /** From the hit (or, of a stall, from when it is one) to the first picture after it. */
  readonly backSec: number;
}

/** A gap that begins so soon after a bystander was hit is its doing. */
const BYSTANDER_US = 3_000_000;
/** When something waited for a processor for more than this share of the time, the machine was too busy to draw every frame. */
const STARVED = 0.9;

/** A gap that no hit of a picture's maker explains. */
export interface Unexplained extends Stretch {
  readonly because: 'a bystander was hit' | 'the machine was too busy' | 'unknown';
}

/** Costs of hits, and the gaps that no hit of a picture's maker explains. */
export function explain(
  gaps: readonly Stretch[],
  hits: readonly Done[],
  pressure: Pick<Pressure, 'share'>,
): { costs: Cost[]; unexplained: Unexplained[] } {
  const causes = (gap: Stretch): Done[] =>
    hits.filter(
      ({ target, atUs, untilUs }) =>
        !BYSTANDERS.includes(target) &&
        atUs <= gap.toUs + SLACK_US &&
        (untilUs ?? atUs) >= gap.fromUs - SLACK_US,
    );
  const because = ({ fromUs, toUs }: Stretch): Unexplained['because'] => {
    if (pressure.share(fromUs - 1e6, toUs) > STARVED) return 'the machine was too busy';
    return hits.some(({ atUs }) => atUs <= fromUs && atUs >= fromUs - BYSTANDER_US)
      ? 'a bystander was hit'
      : 'unknown';
  };
  const costs = gaps.flatMap((gap) => {
    // Hit again before it was back, its time counts from the last hit.
    const last = causes(gap)
      .toSorted((a, b) => a.atUs - b.atUs)
      .at(-1);
    if (last === undefined) return [];
    const { target, atUs, untilUs } = last;
    const lostSec = (gap.toUs - gap.fromUs) / 1e6;
    return [{ target, stalled: untilUs !== undefined, lostSec, backSec: (gap.toUs - atUs) / 1e6 }];
  });
  const unexplained = gaps
    .filter((gap) => causes(gap).length === 0)
    .map((gap) => ({ ...gap, because: because(gap) }));
  return { costs, unexplained };
}
