import { closeSync, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { readLineName } from './gpio.ts';
import type { SystemCalls } from './system-calls.ts';
import {
  CHIP_INFO_BYTES,
  GET_CHIP_INFO,
  GET_LINE_INFO,
  lineInfoOf,
  readChipInfo,
  readLineInfo,
} from './uapi.ts';

/** A chip as it says itself what it is. */
export interface Chip {
  readonly path: string;
  readonly label: string;
  /** Names of its lines by their numbers; empty where they have none. */
  readonly names: readonly string[];
}

/** Where a line is. */
export interface Place {
  readonly chip: Chip;
  readonly offset: number;
}

/** All chips there are; one that may not be opened is named in `refused`. */
export async function readChips(
  folder: string,
  calls: SystemCalls,
): Promise<{ chips: Chip[]; refused: string[] }> {
  const chips: Chip[] = [];
  const refused: string[] = [];
  // A link is another name of a chip that is listed itself (Raspberry Pi OS has one).
  const entries = (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => /^gpiochip\d+$/.test(entry.name) && !entry.isSymbolicLink())
    .map(({ name }) => name);
  for (const entry of entries.sort()) {
    const path = join(folder, entry);
    try {
      chips.push(readChip(path, calls));
    } catch (error) {
      // It went between the listing and now, or is not ours to read.
      refused.push(`${path} (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return { chips, refused };
}

function readChip(path: string, calls: SystemCalls): Chip {
  const descriptor = openSync(path, 'r+');
  try {
    const bytes = Buffer.alloc(CHIP_INFO_BYTES);
    calls.control(descriptor, GET_CHIP_INFO, bytes);
    const { label, lines } = readChipInfo(bytes);
    const names = Array.from({ length: lines }, (_, offset) => {
      const info = lineInfoOf(offset);
      calls.control(descriptor, GET_LINE_INFO, info);
      return readLineInfo(info).name;
    });
    return { path, label, names };
  } finally {
    closeSync(descriptor);
  }
}

/** Finds a line, throws `panel_failed` when there is not exactly one. */
export function findLine(line: string, chips: readonly Chip[], refused: readonly string[]): Place {
  const wanted = readLineName(line);
  const found = chips.flatMap((chip): Place[] => {
    if ('label' in wanted)
      return chip.label === wanted.label && wanted.offset < chip.names.length
        ? [{ chip, offset: wanted.offset }]
        : [];
    return chip.names.flatMap((name, offset) => (name === wanted.name ? [{ chip, offset }] : []));
  });
  const [place, ...more] = found;
  if (place !== undefined && more.length === 0) return place;
  const there = chips.map(({ label, names }) => `${label} (${names.length} lines)`).join(', ') || 'none';
  const details = { line, chips: chips.map(({ label }) => label), refused };
  if (place !== undefined)
    throw new TouchlineError('panel_failed', `there are ${found.length} GPIO lines ${line}`, {
      details,
      remedy: 'Name it by the label of its chip and its number in the section signals.',
    });
  throw new TouchlineError(
    'panel_failed',
    `there is no GPIO line ${line}; chips: ${there}${refused.length > 0 ? `; not to be opened: ${refused.join(', ')}` : ''}`,
    { details, remedy: 'Load the overlay touchline-signals, or name the line in the section signals.' },
  );
}
