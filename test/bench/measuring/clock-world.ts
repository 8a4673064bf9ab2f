import type { ExchangeSample } from '#domain/sync/estimator.ts';
import type { Chance } from './chance.ts';

/** How the rate between the two clocks behaves; parts per million of master against monotonic time. */
export interface Oscillators {
  /** Constant part, evenly within plus and minus this. */
  readonly constantPpm: number;
  /** Random walk of the rate, per root of a second. */
  readonly walkPpm: number;
  /** Sun and shade: the case follows with a time constant, the crystal with `ppm` between all sun and all shade. */
  readonly sun?: { readonly ppm: number; readonly everySec: number; readonly followsSec: number };
  /** Swings evenly, from crest to crest `ppm`. */
  readonly swing?: { readonly ppm: number; readonly periodSec: number };
  readonly agingPpmPerHour?: number;
  /** chronyd corrects the monotonic clock of this node: its rate at the beginning, then offsets of `errorUs` over `everySec`. */
  readonly slewed?: { readonly learnsPpm: number; readonly errorUs: number; readonly everySec: number };
}

/** One direction of the network. All in microseconds. */
export interface Path {
  readonly leastUs: number;
  /** Mean of the queue that is always there, and in how many places it waits: 1 when left out. */
  readonly queueUs: number;
  readonly places?: number;
  /** Now and then longer: power-law tail from `fromUs`, cut at `mostUs`. */
  readonly tail?: {
    readonly chance: number;
    readonly fromUs: number;
    readonly power: number;
    readonly mostUs: number;
  };
  /** Spells in which the way is full: mean queue `queueUs`, mean lengths of the spells and of the time between. */
  readonly busy?: { readonly queueUs: number; readonly lastsSec: number; readonly everySec: number };
  /** Another way in between, longer by this. */
  readonly detour?: { readonly fromSec: number; readonly toSec: number; readonly byUs: number };
  /** A radio that sleeps: waits evenly up to this, when it slept. */
  readonly sleep?: { readonly chance: number; readonly mostUs: number };
}

export interface World {
  readonly name: string;
  readonly minutes: number;
  readonly oscillators: Oscillators;
  readonly there: Path;
  readonly back: Path;
  readonly loss: number;
  /** Nothing arrives in these, seconds from the beginning. */
  readonly outages?: readonly (readonly [fromSec: number, toSec: number])[];
  /** The master's clock is set. */
  readonly step?: { readonly atSec: number; readonly byUs: number };
}

/** One run: what happened, and what was true. */
export interface Run {
  readonly samples: readonly ExchangeSample[];
  /** True master time at a monotonic instant, microseconds. */
  truth(monoUs: number): number;
  /** Whether no exchange arrives then. */
  inOutage(monoUs: number): boolean;
}

const EPOCH_US = 1_773_500_000_000_000;
const CELL_SEC = 0.25;
/** Often at the beginning, then once a second. */
const FAST_SEC = 30;
const FAST_INTERVAL_SEC = 0.25;
const INTERVAL_SEC = 1;
const ANSWER_US = 60;

export function simulate(world: World, random: Chance): Run {
  const startUs = 3_600_000_000 + Math.floor(random.even() * 1e9);
  const offsets = walkOfOffsets(world, random);
  const exactOffsetUs = (monoUs: number): number => {
    const at = (monoUs - startUs) / 1e6 / CELL_SEC;
    const cell = Math.max(0, Math.min(offsets.length - 2, Math.floor(at)));
    const low = offsets[cell] ?? 0;
    const stepUs = world.step && monoUs - startUs >= world.step.atSec * 1e6 ? world.step.byUs : 0;
    return low + ((offsets[cell + 1] ?? 0) - low) * (at - cell) + stepUs;
  };
  const inOutage = (monoUs: number): boolean => {
    const sec = (monoUs - startUs) / 1e6;
    return world.outages?.some(([from, to]) => sec >= from && sec < to) ?? false;
  };
  const there = delays(world.there, random);
  const back = delays(world.back, random);
  const samples: ExchangeSample[] = [];
  for (let sec = 0.1; sec < world.minutes * 60; sec += sec < FAST_SEC ? FAST_INTERVAL_SEC : INTERVAL_SEC) {
    // Not at whole seconds: a timer is late by a little.
    const t1 = startUs + 1e6 * sec + 2000 * random.exponential();
    const t2 = t1 + there(sec);
    const t3 = t2 + ANSWER_US * (1 + random.exponential());
    const t4 = t3 + back(sec);
    const lost = random.even() < world.loss;
    if (lost || inOutage(t1)) continue;
    samples.push({
      t1MonoUs: Math.floor(t1),
      t2MasterUs: EPOCH_US + Math.floor(t2 + exactOffsetUs(t2)),
      t3MasterUs: EPOCH_US + Math.floor(t3 + exactOffsetUs(t3)),
      t4MonoUs: Math.floor(t4),
      peerBoundUs: 0,
    });
  }
  return { samples, truth: (monoUs) => EPOCH_US + monoUs + exactOffsetUs(monoUs), inOutage };
}

/** Master minus monotonic time in cells of `CELL_SEC`: the integral of the rate. */
function walkOfOffsets({ minutes, oscillators }: World, random: Chance): Float64Array {
  const { constantPpm, walkPpm, sun, swing, agingPpmPerHour = 0, slewed } = oscillators;
  const offsets = new Float64Array(Math.ceil((minutes * 60) / CELL_SEC) + 2);
  const constant = constantPpm * (2 * random.even() - 1);
  const phase = 2 * Math.PI * random.even();
  let walked = 0;
  let shone = random.even();
  let sunny = random.even() < 0.5;
  let learned = 0;
  let slew = 0;
  for (let cell = 1; cell < offsets.length; cell++) {
    const sec = cell * CELL_SEC;
    walked += walkPpm * Math.sqrt(CELL_SEC) * random.normal();
    let rate = constant + walked + (agingPpmPerHour * sec) / 3600;
    if (swing) rate += (swing.ppm / 2) * Math.sin((2 * Math.PI * sec) / swing.periodSec + phase);
    if (sun) {
      if (random.even() < CELL_SEC / sun.everySec) sunny = !sunny;
      shone += ((sunny ? 1 : 0) - shone) * (CELL_SEC / sun.followsSec);
      rate += sun.ppm * shone;
    }
    if (slewed) {
      // Once its frequency is known chronyd takes it out at once, and offsets over as long as it takes to the next update.
      if (sec >= 20 && sec < 20 + CELL_SEC) learned = slewed.learnsPpm;
      if (Math.floor(sec / slewed.everySec) !== Math.floor((sec - CELL_SEC) / slewed.everySec))
        slew = (slewed.errorUs * random.normal()) / slewed.everySec;
      rate += learned + slew;
    }
    offsets[cell] = (offsets[cell - 1] ?? 0) + rate * CELL_SEC;
  }
  return offsets;
}

/** Delay of a packet sent at a second; asked in the order of time. */
function delays(path: Path, random: Chance): (sec: number) => number {
  let busy = false;
  let before = 0;
  return (sec) => {
    const places = path.places ?? 1;
    let us = path.leastUs;
    for (let place = 0; place < places; place++) us += (path.queueUs / places) * random.exponential();
    if (path.detour && sec >= path.detour.fromSec && sec < path.detour.toSec) us += path.detour.byUs;
    if (path.tail && random.even() < path.tail.chance)
      us += Math.min(path.tail.mostUs, path.tail.fromUs * random.pareto(path.tail.power));
    if (path.busy) {
      const change = (sec - before) / (busy ? path.busy.lastsSec : path.busy.everySec);
      if (random.even() < 1 - Math.exp(-change)) busy = !busy;
      before = sec;
      if (busy) us += path.busy.queueUs * random.exponential();
    }
    if (path.sleep && random.even() < path.sleep.chance) us += path.sleep.mostUs * random.even();
    return us;
  };
}
