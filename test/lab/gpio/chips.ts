import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

/** Chips of the kernel's GPIO simulator, made and taken away by its files. The kernel numbers chips in the order in which they come. */

const ROOT = '/sys/kernel/config/gpio-sim';

export interface Chip {
  readonly name: string;
  readonly label: string;
  readonly lines: number;
  /** Names of lines by their numbers. */
  readonly named: Readonly<Record<number, string>>;
}

/** Folder of each chip's lines in sysfs, while it is there. */
const folders = new Map<string, string>();
const where = ({ name }: Chip, ...path: (string | number)[]): string => [ROOT, name, ...path].join('/');
const read = (path: string): string => readFileSync(path, 'utf8').trim();

export function addChip(chip: Chip): void {
  mkdirSync(where(chip));
  mkdirSync(where(chip, 'bank0'));
  writeFileSync(where(chip, 'bank0/num_lines'), String(chip.lines));
  writeFileSync(where(chip, 'bank0/label'), chip.label);
  for (const [offset, name] of Object.entries(chip.named)) {
    mkdirSync(where(chip, `bank0/line${offset}`));
    writeFileSync(where(chip, `bank0/line${offset}/name`), name);
  }
  writeFileSync(where(chip, 'live'), '1');
  const device = read(where(chip, 'dev_name'));
  folders.set(chip.label, `/sys/devices/platform/${device}/${read(where(chip, 'bank0/chip_name'))}`);
}

export function removeChip(chip: Chip): void {
  folders.delete(chip.label);
  writeFileSync(where(chip, 'live'), '0');
  for (const offset of Object.keys(chip.named)) rmdirSync(where(chip, `bank0/line${offset}`));
  rmdirSync(where(chip, 'bank0'));
  rmdirSync(where(chip));
}

function file(label: string, offset: number, name: string): string {
  const folder = folders.get(label);
  if (folder === undefined) throw new Error(`there is no chip ${label}`);
  return `${folder}/sim_gpio${offset}/${name}`;
}

export const isHigh = (label: string, offset: number): boolean => read(file(label, offset, 'value')) === '1';

export function pull(label: string, offset: number, high: boolean): void {
  writeFileSync(file(label, offset, 'pull'), high ? 'pull-up' : 'pull-down');
}

export const isThere = (label: string): boolean => folders.has(label);
