import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromWireTime } from '#contracts/time.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import type { Hit, Round, SessionPlan } from './plan.ts';
import type { ProcessNode, Target } from './process-node.ts';

const clock = systemClock();
const POLL_MS = 10;
/** A process that is not there just now is waited for. */
const TARGET_PATIENCE_MS = 3000;
const COMMAND_PATIENCE_MS = 60_000;
const SETTLED_PATIENCE_MS = 60_000;

/** What was done to whom, wall clock in microseconds. */
export interface Done {
  readonly target: Target;
  readonly atUs: number;
  /** When a stopped process went on; otherwise undefined. */
  readonly untilUs: number | undefined;
}

/** A session as the rig's record has it, wall clock in microseconds. */
export interface PlayedSession {
  readonly id: string;
  readonly uid: string;
  readonly startUs: number;
  readonly stopUs: number;
  readonly rounds: number;
  readonly hits: readonly Done[];
}

/** Records the sessions of the plan, hits what it says, and waits after each until nothing is left to be done. */
export async function play(
  node: ProcessNode,
  plan: readonly SessionPlan[],
  log: (line: string) => void,
): Promise<PlayedSession[]> {
  await node.until('the node is up', COMMAND_PATIENCE_MS, () => node.recorder?.state === 'idle');
  const played: PlayedSession[] = [];
  for (const session of plan) {
    played.push(await playSession(node, session));
    log(`${session.id}: ${played.at(-1)?.rounds} rounds`);
  }
  return played;
}

async function playSession(node: ProcessNode, plan: SessionPlan): Promise<PlayedSession> {
  const hits: Done[] = [];
  const stalls: Promise<void>[] = [];
  let rounds = 0;
  const playRound = async ({ afterSec, hits: wanted }: Round): Promise<void> => {
    await sleep(afterSec * 1000);
    await Promise.all(wanted.map((each) => hit(node, each, hits, stalls)));
    rounds++;
  };
  const [session] = await Promise.all([
    node.start(plan.id, COMMAND_PATIENCE_MS),
    ...(plan.starting ? [playRound(plan.starting)] : []),
  ]);
  // A session that is over before its first frame is no recording.
  await node.until(
    'the first frames',
    COMMAND_PATIENCE_MS,
    () => node.recorder?.recording?.session_uid === session.session_uid,
  );
  for (const round of plan.rounds) await playRound(round);
  await sleep(plan.quietSec * 1000);
  const [stopped] = await Promise.all([
    node.stop(session.session_uid, COMMAND_PATIENCE_MS),
    ...(plan.stopping ? [playRound(plan.stopping)] : []),
  ]);
  await Promise.all(stalls);
  await node.until('nothing is left to be done', SETTLED_PATIENCE_MS, () => isSettled(node));
  if (stopped.start_at === null || stopped.stop_at === null)
    throw new Error(`${plan.id}: its record lacks start or stop`);
  return {
    id: plan.id,
    uid: stopped.session_uid,
    startUs: fromWireTime(stopped.start_at),
    stopUs: fromWireTime(stopped.stop_at),
    rounds,
    hits,
  };
}

/** Hits the target, or the recorder where the target does not show up: after the stop its programs are gone. */
async function hit(
  node: ProcessNode,
  { target: wanted, stallSec }: Hit,
  done: Done[],
  stalls: Promise<void>[],
): Promise<void> {
  const deadline = performance.now() + TARGET_PATIENCE_MS;
  for (;;) {
    const target = performance.now() > deadline ? 'recorder' : wanted;
    const stall = target === wanted ? stallSec : undefined;
    const pid = node.pidOf(target);
    const atUs = clock.wallUs();
    if (pid !== undefined && signal(pid, stall === undefined ? 'SIGKILL' : 'SIGSTOP')) {
      done.push({ target, atUs, untilUs: stall === undefined ? undefined : atUs + stall * 1e6 });
      if (stall !== undefined) stalls.push(sleep(stall * 1000).then(() => void signal(pid, 'SIGCONT')));
      return;
    }
    await sleep(POLL_MS);
  }
}

/** False when the process had just ended. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

function isSettled({ recorder, housekeeper, config }: ProcessNode): boolean {
  return (
    recorder?.state === 'idle' &&
    recorder.session_uid === null &&
    housekeeper?.recovering === false &&
    !readdirSync(config.storage.path, { recursive: true }).some((path) =>
      String(path).endsWith('.journal.json'),
    )
  );
}
