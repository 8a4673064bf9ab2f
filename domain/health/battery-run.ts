/** What a gauge said once. */
export interface GaugeReading {
  /** Charge, 0 to 100. */
  readonly percent: number;
  readonly volts: number | null;
  /** Null when the gauge does not tell. */
  readonly charging: boolean | null;
}

interface Point {
  readonly monoUs: number;
  readonly percent: number;
}

/** What is believed of the battery, and on what ground. A value: nothing here knows a clock. */
export interface BatteryRun {
  /** The last reading that was believed. */
  readonly believed: (GaugeReading & { readonly monoUs: number }) | null;
  /** A reading that is too far from what is believed to be true at once. */
  readonly doubted: (Point & { readonly confirmed: number; readonly sinceUs: number }) | null;
  /** The course of the charge while it is used up. */
  readonly course: readonly Point[];
  /** Since its gauge says that it charges: the highest charge, and the lowest after it. */
  readonly plugged: { readonly highest: Point; readonly lowestPercent: number } | null;
}

export const NO_BATTERY_RUN: BatteryRun = { believed: null, doubted: null, course: [], plugged: null };

/**
 * No battery that fits a mast is emptied faster than in 12 minutes (5 C: what cells for tools are rated for), nor charged.
 */
const FASTEST_PERCENT_PER_SEC = 100 / (12 * 60);
/** What a gauge may be wrong by from one reading to the next: one that knows only a voltage sags when a load begins. */
const STEP_PERCENT = 5;
/** So many further readings that agree with a doubted one make it the truth: a gauge that was recalibrated, a battery that was changed. */
const CONFIRMATIONS = 4;
/** … over at least this: a gauge that speaks quickly repeats its mistake quickly. */
const CONFIRMED_OVER_US = 3_000_000;
/** The first reading has nothing that it could be compared with but the next one. */
const FIRST_CONFIRMATIONS = 1;

/** One point of the course is kept in this time … */
const POINT_EVERY_US = 10_000_000;
/** … for so long: a match's load is even over that, and a gauge of whole percents moves a few times in it. */
const COURSE_US = 20 * 60e6;
/** Before that, and before the charge has fallen by that, a rate is noise. */
const SHORTEST_US = 3 * 60e6;
const LEAST_FALL_PERCENT = 1;
/** A week: a rate below is none. */
const LONGEST_MINUTES = 7 * 24 * 60;

/** A charge that rises by this after all is charged. */
const RISES_PERCENT = 2;

/** A believed reading vouches for the next for so long. */
const VOUCHED_US = 60e6;

/** Takes a reading in. What no battery can do is doubted until further readings say the same. */
export function takeReading(run: BatteryRun, reading: GaugeReading, monoUs: number): BatteryRun {
  // After a silence nothing vouches for the first value that comes.
  const believed = run.believed && monoUs - run.believed.monoUs < VOUCHED_US ? run.believed : null;
  const { doubted } = run;
  if (believed && near(believed, reading, monoUs)) return { ...believe(run, reading, monoUs), doubted: null };
  const again = doubted && near(doubted, reading, monoUs) ? doubted : undefined;
  const confirmed = again ? again.confirmed + 1 : 0;
  const sinceUs = again?.sinceUs ?? monoUs;
  const enough = believed
    ? confirmed >= CONFIRMATIONS && monoUs - sinceUs >= CONFIRMED_OVER_US
    : confirmed >= FIRST_CONFIRMATIONS;
  // What was before says nothing about what is now.
  if (enough) return believe(NO_BATTERY_RUN, reading, monoUs);
  return { ...run, doubted: { monoUs, percent: reading.percent, confirmed, sinceUs } };
}

function near(point: Point, reading: GaugeReading, monoUs: number): boolean {
  const allowed = STEP_PERCENT + (FASTEST_PERCENT_PER_SEC * Math.max(0, monoUs - point.monoUs)) / 1e6;
  return Math.abs(reading.percent - point.percent) <= allowed;
}

function believe(run: BatteryRun, reading: GaugeReading, monoUs: number): BatteryRun {
  const plugged = reading.charging === true ? whilePlugged(run.plugged, reading.percent, monoUs) : null;
  if (plugged !== null && !falls(plugged, reading.percent, monoUs))
    return { believed: { ...reading, monoUs }, doubted: null, course: [], plugged };
  // Plugged into something that is too weak for what runs, it does not charge, whatever its gauge says.
  const believed = { ...reading, charging: plugged === null ? reading.charging : false, monoUs };
  const last = run.course.at(-1);
  if (last && monoUs - last.monoUs < POINT_EVERY_US) return { ...run, believed, plugged };
  const course = [...run.course, { monoUs, percent: reading.percent }];
  return { ...run, believed, plugged, course: course.filter((point) => monoUs - point.monoUs <= COURSE_US) };
}

function whilePlugged(
  plugged: BatteryRun['plugged'],
  percent: number,
  monoUs: number,
): NonNullable<BatteryRun['plugged']> {
  const rises =
    plugged === null ||
    percent >= plugged.highest.percent ||
    percent >= plugged.lowestPercent + RISES_PERCENT;
  return rises
    ? { highest: { monoUs, percent }, lowestPercent: percent }
    : { ...plugged, lowestPercent: Math.min(plugged.lowestPercent, percent) };
}

/** By more than a load that begins makes of it, and for longer than noise lasts. */
function falls({ highest }: NonNullable<BatteryRun['plugged']>, percent: number, monoUs: number): boolean {
  return highest.percent - percent > STEP_PERCENT && monoUs - highest.monoUs >= SHORTEST_US;
}

/**
 * Minutes until the battery is empty, at the rate of the last minutes: the slope of the least squares line through the course. Null while it
 * charges, before there is a course, and when the charge does not fall.
 */
export function minutesLeft(run: BatteryRun): number | null {
  const [first, last] = [run.course[0], run.course.at(-1)];
  if (!run.believed || !first || !last || last.monoUs - first.monoUs < SHORTEST_US) return null;
  if (first.percent - last.percent < LEAST_FALL_PERCENT) return null;
  const minutes = run.course.map(({ monoUs }) => (monoUs - first.monoUs) / 60e6);
  const meanMinute = mean(minutes);
  const meanPercent = mean(run.course.map(({ percent }) => percent));
  let [along, spread] = [0, 0];
  for (const [index, point] of run.course.entries()) {
    const off = (minutes[index] ?? 0) - meanMinute;
    along += off * (point.percent - meanPercent);
    spread += off * off;
  }
  const percentPerMinute = -along / spread;
  const left = run.believed.percent / percentPerMinute;
  return percentPerMinute > 0 && left <= LONGEST_MINUTES ? Math.round(left) : null;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Minutes of recording that fit into free space; null when either is unknown. */
export function minutesOfSpace(freeBytes: number | null, bitrateMbps: number | undefined): number | null {
  if (freeBytes === null || bitrateMbps === undefined || bitrateMbps <= 0) return null;
  return Math.floor((freeBytes * 8) / (bitrateMbps * 1e6) / 60);
}
