import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Gpio, readLineName, type WatchOptions } from './gpio.ts';

/** GPIO in memory, for tests: chips with lines whose level somebody sets, taken by one program at a time. */
export interface MemoryGpio extends Gpio {
  /** Pulls a line high or low from the outside, as a button does. */
  pull(line: string, high: boolean): void;
  /** Whether a line is high. */
  isHigh(line: string): boolean;
  /** Every change of lines that are driven, all of a request at once: names of those that are high. */
  readonly history: readonly (readonly string[])[];
  /** Takes a chip away, or plugs it in again. */
  setPresent(label: string, present: boolean): void;
}

interface Line {
  readonly name: string;
  readonly label: string;
  readonly offset: number;
  high: boolean;
  taken: boolean;
}

interface Taker {
  readonly lines: readonly Line[];
  readonly options: WatchOptions;
}

/** `chips`: names of the lines of each chip by its label. Lines begin high, as with a pull-up. */
export function memoryGpio(clock: Clock, chips: Readonly<Record<string, readonly string[]>>): MemoryGpio {
  const lines = Object.entries(chips).flatMap(([label, names]) =>
    names.map((name, offset): Line => ({ name, label, offset, high: true, taken: false })),
  );
  const absent = new Set<string>();
  const takers = new Set<Taker>();
  const history: string[][] = [];

  const find = (text: string): Line => {
    const wanted = readLineName(text);
    const [found, ...more] = lines.filter(
      (line) =>
        !absent.has(line.label) &&
        ('name' in wanted
          ? line.name === wanted.name
          : line.label === wanted.label && line.offset === wanted.offset),
    );
    if (found === undefined) throw new TouchlineError('panel_failed', `there is no GPIO line ${text}`);
    if (more.length > 0)
      throw new TouchlineError('panel_failed', `there are ${more.length + 1} GPIO lines ${text}`);
    return found;
  };
  const take = (names: readonly string[]): Line[] => {
    const found = names.map(find);
    const busy = found.find(({ taken }) => taken);
    if (busy)
      throw new TouchlineError('panel_failed', `${busy.name} cannot be taken: it is used by another program`);
    for (const line of found) line.taken = true;
    return found;
  };
  const present = (taken: readonly Line[]): void => {
    const gone = taken.find(({ label }) => absent.has(label));
    if (gone) throw new TouchlineError('panel_failed', `the GPIO lines ${gone.name} are gone`);
  };

  return {
    history,
    async watch(names, options) {
      const taken = take(names);
      const taker: Taker = { lines: taken, options };
      takers.add(taker);
      return {
        values() {
          present(taken);
          return taken.map(({ high }) => high !== options.activeLow);
        },
        async close() {
          takers.delete(taker);
          for (const line of taken) line.taken = false;
        },
      };
    },
    async drive(names, { activeLow }) {
      const taken = take(names);
      const set = (values: readonly boolean[]): void => {
        present(taken);
        for (const [index, line] of taken.entries()) line.high = (values[index] === true) !== activeLow;
        history.push(taken.filter(({ high }) => high).map(({ name }) => name));
      };
      set(names.map(() => false));
      return {
        set,
        async close() {
          if (!taken.some(({ label }) => absent.has(label))) set(names.map(() => false));
          for (const line of taken) line.taken = false;
        },
      };
    },
    pull(text, high) {
      const line = find(text);
      if (line.high === high) return;
      line.high = high;
      for (const { lines: watched, options } of [...takers]) {
        const index = watched.indexOf(line);
        if (index >= 0)
          options.onEdge({ line: index, active: high !== options.activeLow, atUs: clock.monoUs() });
      }
    },
    isHigh: (text) => find(text).high,
    setPresent(label, isPresent) {
      if (isPresent) {
        absent.delete(label);
        return;
      }
      absent.add(label);
      for (const { lines: watched, options } of [...takers])
        if (watched.some((line) => line.label === label))
          options.onLost(new TouchlineError('panel_failed', `the chip ${label} is gone`));
    },
  };
}
