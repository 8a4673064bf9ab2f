import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#ports/clock/system-clock.ts';
import { generator } from '../machine/random.ts';
import { type Judged, judgeDisk } from '../recordings/judge.ts';
import { planSessions } from './plan.ts';
import { type PlayedSession, play } from './play.ts';
import { watchPressure } from './pressure.ts';
import { bundleServices, PICTURE, processNode } from './process-node.ts';
import { type Cost, explain, judgeSession, type Stretch, type Unexplained, type Verdict } from './truth.ts';

const clock = systemClock();

interface JudgedSession {
  readonly played: PlayedSession;
  readonly verdict: Verdict;
  readonly costs: readonly Cost[];
  readonly unexplained: readonly Unexplained[];
}

/** One node with all its sessions, judged. */
export interface JudgedNode {
  readonly sessions: readonly JudgedSession[];
  readonly files: readonly Judged[];
  readonly faults: readonly string[];
  /** How much of the time something waited for a processor, 0 to 1. */
  readonly pressure: number;
}

/** Plays `rounds` on `nodes` nodes at once, below `folder`. */
export async function playKillRounds(options: {
  readonly folder: string;
  readonly rounds: number;
  readonly nodes: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}): Promise<JudgedNode[]> {
  const { folder, rounds, nodes, seed, log } = options;
  const bundles = await bundleServices(folder);
  return Promise.all(
    Array.from({ length: nodes }, (_, index) =>
      playNode({
        name: `rig${index}`,
        folder: join(folder, `rig${index}`),
        bundles,
        rounds: Math.floor(rounds / nodes) + (index < rounds % nodes ? 1 : 0),
        random: generator(seed * 1000 + index),
        log,
      }),
    ),
  );
}

async function playNode(options: {
  readonly name: string;
  readonly folder: string;
  readonly bundles: string;
  readonly rounds: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
}): Promise<JudgedNode> {
  const { name, folder, bundles, rounds, random, log } = options;
  mkdirSync(folder);
  const pressure = watchPressure();
  const beganUs = clock.wallUs();
  const node = await processNode({ name, folder, bundles });
  let played: PlayedSession[];
  try {
    played = await play(node, planSessions(name, rounds, random), log);
  } finally {
    await node.close();
    pressure.stop();
  }
  const endedUs = clock.wallUs();
  const { files, faults } = await judgeDisk(node.config.storage.path, PICTURE.fps);
  const sessions = played.map((session) => {
    const verdict = judgeSession(session, files, PICTURE.fps);
    return { played: session, verdict, ...explain(verdict.gaps, session.hits, pressure) };
  });
  const known = new Set(played.map(({ uid }) => uid));
  const strangers = files.filter(({ manifest }) => !known.has(manifest?.touchline.session_uid ?? ''));
  return {
    sessions,
    files,
    faults: [...faults, ...strangers.map(({ path }) => `${path} belongs to no session that was recorded`)],
    pressure: pressure.share(beganUs, endedUs),
  };
}

/** Beyond this the restart of a camera, or of a whole recorder, is broken and not only slowed down by a busy machine. */
const CAMERA_SEC_MAX = 10;
const RECORDER_SEC_MAX = 20;

/** What was hit so close to a gap is told with it. */
const NEAR_US = 3_000_000;

/** What does not hold, in words. */
export function faultsOf(nodes: readonly JudgedNode[]): string[] {
  return nodes.flatMap(({ sessions, files, faults }) => [
    ...faults,
    ...files.flatMap(({ path, unplayable, wrong }) => [
      ...(unplayable === undefined ? [] : [`${path} does not play: ${unplayable}`]),
      ...wrong.map((what) => `${path}: ${what}`),
    ]),
    ...sessions.flatMap(({ played, verdict, costs, unexplained }) => {
      const at = (us: number): string => `${((us - played.startUs) / 1e6).toFixed(3)} s`;
      /** A stretch, and what was hit around it. */
      const told = ({ fromUs, toUs }: Stretch): string => {
        const near = played.hits.filter(
          ({ atUs, untilUs }) => atUs < toUs + NEAR_US && (untilUs ?? atUs) > fromUs - NEAR_US,
        );
        const hits = near.map(
          ({ target, atUs, untilUs }) =>
            `${target} at ${at(atUs)}${untilUs === undefined ? '' : ', stopped'}`,
        );
        return `${at(fromUs)} to ${at(toUs)} (${hits.join('; ') || 'nothing was hit'})`;
      };
      return [
        ...verdict.faults,
        ...verdict.unnoted.map((gap) => `missing and not noted: ${told(gap)}`),
        ...verdict.phantoms.map((gap) => `noted and not missing: ${told(gap)}`),
        ...unexplained
          .filter((gap) => gap.because === 'a bystander was hit')
          .map((gap) => `missing with a bystander: ${told(gap)}`),
        ...costs
          .filter(
            ({ target, backSec }) => backSec > (target === 'recorder' ? RECORDER_SEC_MAX : CAMERA_SEC_MAX),
          )
          .map(({ target, backSec }) => `${target}: the next picture came after ${backSec.toFixed(1)} s`),
      ].map((what) => `${played.id}: ${what}`);
    }),
  ]);
}

/** The figures of a run. */
export function figuresOf(nodes: readonly JudgedNode[]): Record<string, unknown> {
  const sessions = nodes.flatMap((node) => node.sessions);
  const files = nodes.flatMap((node) => node.files);
  const hits = sessions.flatMap(({ played }) => played.hits);
  const kills: Record<string, number> = {};
  for (const { target, untilUs } of hits) {
    const key = untilUs === undefined ? target : `${target}_stalled`;
    kills[key] = (kills[key] ?? 0) + 1;
  }
  const costs = sessions.flatMap((session) => session.costs);
  const restarts = (chosen: (cost: Cost) => boolean): number[] =>
    costs
      .filter(chosen)
      .map(({ backSec }) => backSec)
      .sort((a, b) => a - b);
  const camera = restarts(({ target, stalled }) => target !== 'recorder' && !stalled);
  const stalled = restarts((cost) => cost.stalled);
  const recorder = restarts(({ target }) => target === 'recorder');
  const sum = (each: (verdict: Verdict) => number): number =>
    sessions.reduce((total, { verdict }) => total + each(verdict), 0);
  const lost = (because: Unexplained['because']): number =>
    sessions
      .flatMap(({ unexplained }) => unexplained)
      .filter((gap) => gap.because === because)
      .reduce((total, { fromUs, toUs }) => total + Math.round(((toUs - fromUs) * PICTURE.fps) / 1e6), 0);
  return {
    rounds: sessions.reduce((total, { played }) => total + played.rounds, 0),
    sessions: sessions.length,
    kills,
    files: files.length,
    corrupt_files: files.filter(({ unplayable }) => unplayable !== undefined).length,
    wrong_manifests: files.filter(({ manifest, wrong }) => manifest === undefined || wrong.length > 0).length,
    gaps: sum(({ gaps }) => gaps.length),
    unnoted_gaps: sum(({ unnoted }) => unnoted.length),
    phantom_gaps: sum(({ phantoms }) => phantoms.length),
    gap_error_ms: Math.max(0, ...sessions.map(({ verdict }) => verdict.worstErrorUs)) / 1000,
    max_restart_sec: Math.max(0, ...camera),
    p95_restart_sec: p95(camera),
    max_stall_sec: Math.max(0, ...stalled),
    p95_stall_sec: p95(stalled),
    max_recorder_sec: Math.max(0, ...recorder),
    p95_recorder_sec: p95(recorder),
    frames: sum(({ frames }) => frames),
    frames_lost_by_bystanders: lost('a bystander was hit'),
    frames_lost_to_load: lost('the machine was too busy'),
    frames_lost_unexplained: lost('unknown'),
    cpu_pressure: Math.max(0, ...nodes.map(({ pressure }) => pressure)),
  };
}

function p95(sorted: readonly number[]): number {
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0;
}
