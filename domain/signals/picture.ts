import type { LedPattern } from '#contracts/signals.ts';
import { strongest } from './looks.ts';
import { isBooting, type Known, type Trouble, troubles, UPDATE_GATE } from './trouble.ts';

export interface Picture {
  readonly shows: LedPattern;
  /** In words, for the node's state. */
  readonly because: string;
  readonly troubles: readonly Trouble[];
}

/**
 * What the LED shows. What is lost keeps its last state for the grace of `trouble.ts`, so the picture stays when a broker or a service is
 * restarted.
 */
export function picture(known: Known, nowUs: number): Picture {
  // What a service that starts has not found out yet is no news.
  const booting = isBooting(known, nowUs);
  const found = troubles(known, nowUs).filter(({ level }) => level === 'fault' || !booting);
  const base = whatItDoes(known, nowUs);
  const due = [base, ...found.map((trouble) => ofTrouble(trouble, base.shows))];
  const shows = strongest(due.map((each) => each.shows));
  return {
    shows,
    because: due
      .filter((each) => each.shows === shows)
      .map(({ because }) => because)
      .join('; '),
    troubles: found,
  };
}

type Due = Pick<Picture, 'shows' | 'because'>;

function ofTrouble({ level, because }: Trouble, base: LedPattern): Due {
  if (level === 'fault') return { shows: 'fault', because };
  return { shows: base === 'recording' ? 'recording-warning' : 'warning', because };
}

/** What the node does, were everything as it should be. */
function whatItDoes(known: Known, nowUs: number): Due {
  const { recorder, 'network-manager': network } = known.words;
  if (isBooting(known, nowUs)) return { shows: 'preparing', because: 'the node is starting' };
  if (!recorder.state) return { shows: 'off', because: 'nothing is known of the recorder' };
  const { state, gates } = recorder.state;
  if (state === 'recording') return { shows: 'recording', because: 'it records' };
  if (state === 'preparing') return { shows: 'preparing', because: 'a recording begins' };
  if (state === 'finalizing') return { shows: 'preparing', because: 'the files are being finished' };
  if (gates.some(({ gate }) => gate === UPDATE_GATE))
    return { shows: 'updating', because: 'an update is being applied' };
  if (state === 'armed') return { shows: 'armed', because: 'the camera is armed' };
  if (network.state?.mode === 'access-point' && network.lostUs === undefined)
    return { shows: 'access-point', because: 'it is ready, and the network of the rig' };
  return { shows: 'ready', because: 'it is ready' };
}
