import { between } from '../machine/random.ts';
import type { Target } from './process-node.ts';

/** What is done to one process: ended at once, or stopped for so long. */
export interface Hit {
  readonly target: Target;
  readonly stallSec: number | undefined;
}

/** One round: after a pause, one or two processes are hit. */
export interface Round {
  readonly afterSec: number;
  readonly hits: readonly Hit[];
}

/** One session and what happens to it. Times of `starting` and `stopping` count from the moment the start or stop is asked for. */
export interface SessionPlan {
  readonly id: string;
  readonly starting: Round | undefined;
  readonly rounds: readonly Round[];
  readonly stopping: Round | undefined;
  /** The last hit and the stop are so far apart. */
  readonly quietSec: number;
}

/** Those that a recording is made by are hit twice as often as the others. */
const TARGETS: readonly Target[] = [
  ...['recorder', 'recorder', 'encoder', 'encoder', 'muxer', 'muxer'],
  ...['broker', 'sync-agent', 'housekeeper'],
] as Target[];
/** One session is long. */
const LONG_ROUNDS = 30;

/** Sessions that add up to `rounds`, decided by `random`. */
export function planSessions(name: string, rounds: number, random: () => number): SessionPlan[] {
  const sessions: SessionPlan[] = [];
  let left = rounds;
  while (left > 0) {
    const starting = random() < 0.3 ? round(random, 0, 1.2) : undefined;
    if (starting) left--;
    const stopping = random() < 0.4 && left > 0 ? round(random, 0, 0.4) : undefined;
    if (stopping) left--;
    const long = sessions.length === 1;
    const count = Math.min(left, long ? LONG_ROUNDS : Math.round(between(random, 1, 9)));
    left -= count;
    sessions.push({
      id: `${name}-${sessions.length + 1}`,
      starting,
      rounds: Array.from({ length: count }, () =>
        // Soon after the one before, while things start and are recovered; or once the recording is under way again.
        random() < 0.3 ? round(random, 0.05, 1) : round(random, 1.5, 3.5),
      ),
      stopping,
      quietSec: random() < 0.3 ? between(random, 0, 0.5) : between(random, 1, 2.5),
    });
  }
  return sessions;
}

function round(random: () => number, least: number, most: number): Round {
  const targets = new Set([pick(random)]);
  if (random() < 0.2) targets.add(pick(random));
  return {
    afterSec: between(random, least, most),
    hits: [...targets].map((target) => ({
      target,
      stallSec: target === 'encoder' && random() < 0.3 ? between(random, 1.5, 3) : undefined,
    })),
  };
}

const pick = (random: () => number): Target => TARGETS[Math.floor(random() * TARGETS.length)] as Target;
