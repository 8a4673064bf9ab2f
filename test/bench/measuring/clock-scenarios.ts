import type { Chance } from './chance.ts';
import type { Oscillators, Path, World } from './clock-world.ts';

const MINUTES = 110;

/** In a case in the shade: the random walk of a plain crystal. */
const CALM: Oscillators = { constantPpm: 30, walkPpm: 0.002, agingPpmPerHour: 0.01 };
/** Clouds: 15 K either way at about 0.2 ppm/K. */
const CLOUDS: Oscillators = { ...CALM, sun: { ppm: 6, everySec: 600, followsSec: 240 } };
/** The worst that is planned for: 20 ppm from crest to trough, in twenty minutes. */
const SWINGS: Oscillators = { ...CALM, swing: { ppm: 20, periodSec: 1200 } };
const SLEWED: Oscillators = { ...CLOUDS, slewed: { learnsPpm: 20, errorUs: 30, everySec: 8 } };

/** A switch, and event loops at both ends that are late now and then. */
const WIRED: Path = {
  leastUs: 90,
  queueUs: 40,
  tail: { chance: 0.03, fromUs: 300, power: 1.5, mostUs: 20_000 },
};
/** 5 GHz on the touchline. */
const RADIO: Path = {
  leastUs: 700,
  queueUs: 400,
  tail: { chance: 0.2, fromUs: 1000, power: 1.1, mostUs: 50_000 },
};
/** The same while this node uploads: its own packets wait. */
const FULL: Path = { ...RADIO, busy: { queueUs: 8000, lastsSec: 20, everySec: 30 } };
const SLEEPY: Path = { ...RADIO, sleep: { chance: 0.5, mostUs: 100_000 } };
/** Two access points and what waits in both: hardly ever is nothing in the way. */
const HOPS: Path = { ...RADIO, queueUs: 4000, places: 4, detour: { fromSec: 2000, toSec: 4500, byUs: 2500 } };
const OUTAGES = [
  [1200, 1800],
  [3000, 3600],
  [5100, 5700],
] as const;

const wired = { minutes: MINUTES, there: WIRED, back: WIRED, loss: 0.001 };
const radio = { minutes: MINUTES, there: RADIO, back: RADIO, loss: 0.02 };

/** 110 minutes each, all that a match is likely to do to the clocks. */
export const SCENARIOS: readonly World[] = [
  { name: 'wired', ...wired, oscillators: CALM },
  { name: 'wired, 20 ppm swings', ...wired, oscillators: SWINGS },
  { name: 'wired, slewed by chrony', ...wired, oscillators: SLEWED },
  { name: 'wired, outages', ...wired, oscillators: CLOUDS, outages: OUTAGES },
  { name: 'Wi-Fi', ...radio, oscillators: CALM },
  { name: 'Wi-Fi, clouds', ...radio, oscillators: CLOUDS },
  { name: 'Wi-Fi, 20 ppm swings', ...radio, oscillators: SWINGS },
  { name: 'Wi-Fi, uploading', ...radio, there: FULL, oscillators: CLOUDS, loss: 0.1 },
  { name: 'Wi-Fi, power save', ...radio, back: SLEEPY, oscillators: CLOUDS, loss: 0.05 },
  { name: 'Wi-Fi, two hops', ...radio, there: HOPS, back: HOPS, oscillators: CLOUDS },
  { name: 'Wi-Fi, slewed by chrony', ...radio, oscillators: SLEWED },
  { name: 'Wi-Fi, outages', ...radio, oscillators: CLOUDS, outages: OUTAGES, loss: 0.1 },
];

/** Always 3 ms longer there than back: 1.5 ms of error that no exchange of time stamps can see. */
export const LOPSIDED: World = {
  name: 'Wi-Fi, 3 ms lopsided',
  ...radio,
  there: { ...RADIO, leastUs: RADIO.leastUs + 3000 },
  oscillators: CLOUDS,
};

/** The master's clock is set in the middle of the match. */
export const STEPPED: World = {
  name: 'Wi-Fi, master stepped by 40 ms',
  ...radio,
  oscillators: CLOUDS,
  step: { atSec: 3300, byUs: 40_000 },
};

/**
 * A world that nobody chose: what the scenarios above fix is drawn from wide ranges, sizes evenly by their order of magnitude. Both ways are equally long,
 * all else about them differs.
 */
export function drawnWorld(random: Chance): World {
  const from = (least: number, most: number): number => least + (most - least) * random.even();
  const magnitude = (least: number, most: number): number => least * (most / least) ** random.even();
  const leastUs = magnitude(50, 3000);
  const way = (): Path => ({
    leastUs,
    queueUs: magnitude(20, 5000),
    places: Math.ceil(from(0, 5)),
    tail: { chance: from(0, 0.4), fromUs: magnitude(200, 3000), power: from(1, 2.5), mostUs: 50_000 },
    ...(random.even() < 0.4
      ? { busy: { queueUs: magnitude(500, 20_000), lastsSec: from(2, 60), everySec: from(5, 120) } }
      : {}),
    ...(random.even() < 0.2 ? { sleep: { chance: random.even(), mostUs: from(0, 100_000) } } : {}),
  });
  const outageSec = from(600, 5400);
  return {
    name: 'drawn at random',
    minutes: MINUTES,
    oscillators: {
      constantPpm: 40,
      walkPpm: magnitude(0.001, 0.05),
      agingPpmPerHour: from(-0.02, 0.02),
      sun: { ppm: from(0, 12), everySec: from(200, 1200), followsSec: from(100, 600) },
      swing: { ppm: from(0, 10), periodSec: from(600, 3600) },
      ...(random.even() < 0.3
        ? { slewed: { learnsPpm: from(-30, 30), errorUs: magnitude(5, 100), everySec: from(4, 16) } }
        : {}),
    },
    there: way(),
    back: way(),
    loss: from(0, 0.3),
    ...(random.even() < 0.5 ? { outages: [[outageSec, outageSec + 600]] as const } : {}),
  };
}
