import { closeSync, openSync, readSync } from 'node:fs';
import { TouchlineError } from '#contracts/errors.ts';
import { type Chip, findLine, type Place, readChips } from './chips.ts';
import { type DrivenLines, type Gpio, type LineOptions, readLineName } from './gpio.ts';
import { type SystemCalls, systemCalls } from './system-calls.ts';
import {
  descriptorOf,
  FLAGS,
  GET_LINE,
  GET_LINE_INFO,
  GET_VALUES,
  LINE_EVENT_BYTES,
  lineInfoOf,
  lineRequest,
  lineValues,
  readEvents,
  readLineInfo,
  readValues,
  SET_VALUES,
} from './uapi.ts';

export interface CharacterDeviceOptions {
  /** Who has the lines, for other programs to read. */
  readonly consumer?: string;
  readonly folder?: string;
}

/** A wait for edges ends after this, so that `close` is not held up. It takes one of the threads that Node has for such things. */
const WAIT_MS = 200;
/** The kernel keeps sixteen edges for each line (`event_buffer_size` of the request). */
const EVENTS_AT_ONCE = 16;

/** GPIO through the character device of the kernel, version 2 of its interface. */
export function characterDeviceGpio(options: CharacterDeviceOptions = {}): Gpio {
  const { consumer = 'touchline', folder = '/dev' } = options;
  const calls = systemCalls();

  const places = async (lines: readonly string[]): Promise<Place[]> => {
    const { chips, refused } = await readChips(folder, calls);
    return lines.map((line) => findLine(line, chips, refused));
  };

  return {
    async watch(lines, { activeLow, onEdge, onLost }) {
      const parts = takeAll(calls, lines, await places(lines), consumer, (line) =>
        flagsOf(FLAGS.input | FLAGS.edgeRising | FLAGS.edgeFalling, activeLow, line),
      );
      let closing = false;
      const follow = async ({ descriptor, indexes, offsets }: Part): Promise<void> => {
        const bytes = Buffer.alloc(EVENTS_AT_ONCE * LINE_EVENT_BYTES);
        for (;;) {
          const readable = await calls.readable(descriptor, WAIT_MS);
          if (closing) return;
          if (readable === 'gone') throw lost(lines);
          if (readable === 'no') continue;
          const read = readSync(descriptor, bytes);
          for (const { offset, active, atUs } of readEvents(bytes.subarray(0, read)))
            onEdge({ line: indexes[offsets.indexOf(offset)] ?? -1, active, atUs });
        }
      };
      const following = parts.map((part) =>
        follow(part).catch((error: unknown) => {
          if (!closing) onLost(error instanceof TouchlineError ? error : lost(lines, error));
        }),
      );
      return {
        values: () => readAll(calls, parts, lines),
        async close() {
          closing = true;
          // A descriptor that is closed while somebody waits for it may be given to another file meanwhile.
          await Promise.all(following);
          for (const { descriptor } of parts) closeSync(descriptor);
        },
      };
    },
    async drive(lines, { activeLow }) {
      const parts = takeAll(calls, lines, await places(lines), consumer, () =>
        flagsOf(FLAGS.output, activeLow, undefined),
      );
      return drivenBy(calls, parts, lines);
    },
  };
}

/** Lines of one chip, taken with one request. */
interface Part {
  readonly descriptor: number;
  /** Which of the caller's lines they are. */
  readonly indexes: readonly number[];
  readonly offsets: readonly number[];
}

/**
 * A line that is found by its name has its pull from the overlay that names it. One that is found by its number has no overlay: it is held
 * inactive until somebody presses.
 */
function flagsOf(flags: bigint, activeLow: LineOptions['activeLow'], line: string | undefined): bigint {
  const byNumber = line !== undefined && 'label' in readLineName(line);
  const pull = byNumber ? (activeLow ? FLAGS.biasPullUp : FLAGS.biasPullDown) : 0n;
  return flags | (activeLow ? FLAGS.activeLow : 0n) | pull;
}

/** All or none. */
function takeAll(
  calls: SystemCalls,
  lines: readonly string[],
  places: readonly Place[],
  consumer: string,
  flags: (line: string) => bigint,
): Part[] {
  const groups = new Map<string, { chip: Chip; flags: bigint; indexes: number[] }>();
  for (const [index, { chip }] of places.entries()) {
    const bits = flags(lines[index] ?? '');
    const key = `${chip.path} ${bits}`;
    const group = groups.get(key) ?? { chip, flags: bits, indexes: [] };
    group.indexes.push(index);
    groups.set(key, group);
  }
  const parts: Part[] = [];
  try {
    for (const { chip, flags: bits, indexes } of groups.values()) {
      const offsets = indexes.map((index) => places[index]?.offset ?? 0);
      const names = indexes.map((index) => lines[index] ?? '');
      parts.push({ descriptor: takePart(calls, chip, offsets, names, consumer, bits), indexes, offsets });
    }
    return parts;
  } catch (error) {
    for (const { descriptor } of parts) closeSync(descriptor);
    throw error;
  }
}

function takePart(
  calls: SystemCalls,
  chip: Chip,
  offsets: readonly number[],
  names: readonly string[],
  consumer: string,
  flags: bigint,
): number {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(chip.path, 'r+');
    const request = lineRequest(offsets, consumer, flags);
    calls.control(descriptor, GET_LINE, request);
    return descriptorOf(request);
  } catch (cause) {
    const users = descriptor === undefined ? [] : usersOf(calls, descriptor, offsets, names);
    const why = users.length > 0 ? users.join(', ') : (cause as Error).message;
    throw new TouchlineError('panel_failed', `${names.join(', ')} of ${chip.label} cannot be taken: ${why}`, {
      cause,
      details: { lines: names, chip: chip.label },
      remedy:
        users.length > 0
          ? 'End the program that has the line, or remove the overlay that gives it to a driver.'
          : undefined,
    });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function usersOf(
  calls: SystemCalls,
  descriptor: number,
  offsets: readonly number[],
  names: readonly string[],
): string[] {
  return offsets.flatMap((offset, index) => {
    const bytes = lineInfoOf(offset);
    calls.control(descriptor, GET_LINE_INFO, bytes);
    const { used, consumer } = readLineInfo(bytes);
    return used ? [`${names[index]} is used by ${consumer || 'the kernel'}`] : [];
  });
}

function readAll(calls: SystemCalls, parts: readonly Part[], lines: readonly string[]): boolean[] {
  const values = lines.map(() => false);
  for (const { descriptor, indexes } of parts) {
    const bytes = lineValues(indexes.map(() => false));
    attempt(lines, () => calls.control(descriptor, GET_VALUES, bytes));
    for (const [at, value] of readValues(bytes, indexes.length).entries()) values[indexes[at] ?? 0] = value;
  }
  return values;
}

function drivenBy(calls: SystemCalls, parts: readonly Part[], lines: readonly string[]): DrivenLines {
  const set = (values: readonly boolean[]): void => {
    for (const { descriptor, indexes } of parts)
      attempt(lines, () =>
        calls.control(descriptor, SET_VALUES, lineValues(indexes.map((index) => values[index] === true))),
      );
  };
  return {
    set,
    async close() {
      try {
        set(lines.map(() => false));
      } finally {
        for (const { descriptor } of parts) closeSync(descriptor);
      }
    },
  };
}

function attempt(lines: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    throw lost(lines, error);
  }
}

function lost(lines: readonly string[], cause?: unknown): TouchlineError {
  return new TouchlineError('panel_failed', `the GPIO lines ${lines.join(', ')} are gone`, {
    cause,
    remedy: 'See whether their chip is still there; they are taken again by themselves.',
  });
}
