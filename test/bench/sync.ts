import { createSyncEstimator } from '#domain/sync/estimator.ts';
import { chance } from './measuring/chance.ts';
import { PEERS } from './measuring/clock-peers.ts';
import { drawnWorld, LOPSIDED, SCENARIOS, STEPPED } from './measuring/clock-scenarios.ts';
import { type Mark, type Method, marksOf, type Score, scoreOf } from './measuring/clock-score.ts';
import { type Run, simulate, type World } from './measuring/clock-world.ts';
import { rounded, spread } from './measuring/figures.ts';

export const about =
  'Rig time from simulated exchanges over 110 minutes, against a plain regression, the clock filter and loop of NTP, and the statistics of chrony';

const ROUNDS = 5;
const DRAWN_PER_ROUND = 6;
const METHODS = { ours: createSyncEstimator, ...PEERS } as const satisfies Record<string, () => Method>;
type MethodName = keyof typeof METHODS;
const NAMES = Object.keys(METHODS) as MethodName[];
type Marks = Record<MethodName, Mark[][]>;

/** No processor is timed here: the figures are the same on every machine, for the same seed. */
export async function run({
  rounds = ROUNDS,
  seed,
  log,
}: {
  rounds?: number;
  seed: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const figures: Record<string, unknown> = {
    what: 'simulated: error of rig time at instants twice a second, with what was known by then; milliseconds and percent',
    rounds,
  };
  const pool: Marks = emptyMarks();
  log(HEADING);
  for (const world of [...SCENARIOS, LOPSIDED, STEPPED]) {
    const marks = await marksOfAll(() => world, seed, rounds);
    figures[world.name] = report(world.name, marks, log);
    // What no method can know, or what is another clock afterwards, says nothing about the average.
    if (world !== LOPSIDED && world !== STEPPED) for (const name of NAMES) pool[name].push(...marks[name]);
    for (const name of NAMES)
      if (marks[name].flat().some(({ outage }) => outage))
        figures[`${world.name}: during the outages, ${name}`] = shown(
          scoreOf(marks[name].flat().filter(({ outage }) => outage)),
        );
    if (world.step) figures[`${world.name}: followed after`] = secondsWrong(marks, world.step.atSec);
  }
  figures['all but the last two'] = report('all but the last two', pool, log);
  const drawn = await marksOfAll((each) => drawnWorld(chance(each)), seed, rounds * DRAWN_PER_ROUND);
  figures['drawn at random'] = report('drawn at random', drawn, log);
  figures['drawn at random: ours, world by world'] = drawn.ours.map((marks) => shown(scoreOf(marks)));
  return figures;
}

async function marksOfAll(world: (seed: number) => World, seed: number, rounds: number): Promise<Marks> {
  const marks = emptyMarks();
  for (let round = 0; round < rounds; round++) {
    const happened: Run = simulate(world(seed + round), chance(seed + round));
    for (const name of NAMES) {
      marks[name].push(marksOf(METHODS[name](), happened));
      // An interrupted benchmark ends between two runs.
      await new Promise(setImmediate);
    }
  }
  return marks;
}

const CELL = 36;
const HEADING = `${'p50, p99, greatest; within ci95'.padEnd(34)}${NAMES.map((name) => name.padEnd(CELL)).join('')}`;

/** One line for people, and the figures of all methods. */
function report(what: string, marks: Marks, log: (line: string) => void): Record<string, unknown> {
  const cells = NAMES.map((name) => {
    const { p50Us, p99Us, maxUs, covered } = scoreOf(marks[name].flat());
    return `${[p50Us, p99Us, maxUs].map((us) => ms(us)).join(' ')} ms ${covered.toFixed(1)} %`.padEnd(CELL);
  });
  log(`${what.padEnd(34)}${cells.join('')}`);
  const p99 = (name: MethodName): number[] => marks[name].map((round) => scoreOf(round).p99Us);
  const ours = p99('ours');
  return {
    ...Object.fromEntries(NAMES.map((name) => [name, shown(scoreOf(marks[name].flat()))])),
    ...Object.fromEntries(
      NAMES.filter((name) => name !== 'ours').map((name) => [
        `p99 of ${name} to ours`,
        spread(p99(name).map((value, round) => value / (ours[round] ?? Number.NaN))),
      ]),
    ),
  };
}

function shown({ p50Us, p99Us, maxUs, covered, ciUs, boundHolds, boundUs }: Score): Record<string, unknown> {
  const bound = Number.isNaN(boundHolds) ? {} : { bound_holds: rounded(boundHolds), bound_ms: ms(boundUs) };
  return {
    p50_ms: ms(p50Us),
    p99_ms: ms(p99Us),
    max_ms: ms(maxUs),
    ci95_covers: rounded(covered),
    ci95_ms: ms(ciUs),
    ...bound,
  };
}

/** From the step until the error stays below 5 ms, seconds, by method and round. */
function secondsWrong(marks: Marks, atSec: number): Record<string, number[]> {
  return Object.fromEntries(
    NAMES.map((name) => [
      name,
      marks[name].map((round) => {
        const last = round.findLast(({ sec, errorUs }) => sec > atSec && Math.abs(errorUs) > 5000);
        return last ? rounded(last.sec - atSec) : 0;
      }),
    ]),
  );
}

function emptyMarks(): Marks {
  return { ours: [], regression: [], ntp: [], chrony: [] };
}

function ms(us: number): number {
  return Number((us / 1000).toPrecision(3));
}
