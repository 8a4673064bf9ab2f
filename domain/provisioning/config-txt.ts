import { configTxtIdentity, type Setting } from './recipe.ts';

/** config.txt of the Raspberry Pi's firmware, and the variables by which balena keeps it. */

/** Keys of which the Supervisor keeps a list (its backend for config.txt); any other has one value. */
const LISTS = ['dtparam', 'dtoverlay', 'device_tree_param', 'device_tree_overlay', 'gpio'];
/** Parameters that the Supervisor counts to the board wherever they stand. */
const OF_THE_BOARD = /^(audio|spi|i2c|i2c_arm|i2c_vc|i2c_baudrate|i2c_arm_baudrate|i2c_vc_baudrate)(=|$)/;

interface Line {
  readonly text: string;
  readonly key?: string;
  readonly value?: string;
}

/**
 * The base image's config.txt with the settings of the recipe. Its own lines stay as they are, but those that the recipe sets or takes
 * away (`removed`: keys, or `dtoverlay:NAME`). Parameters come before overlays: one behind an overlay would belong to it.
 */
export function configTxt(
  base: string,
  settings: readonly Setting<'config_txt'>[],
  removed: readonly string[] = [],
): string {
  const gone = new Set([...settings.map(({ id }) => id), ...removed]);
  const kept = linesOf(base).filter(
    ({ key, value }) =>
      key === undefined || value === undefined || !(gone.has(key) || gone.has(configTxtIdentity(key, value))),
  );
  // A layer's name alone: the firmware reads 98 characters of a line, and the reasons are in provenance.json.
  const ours = (isOverlay: boolean): string[] =>
    settings
      .filter(({ key }) => (key === 'dtoverlay') === isOverlay)
      .flatMap(({ key, value, from }, index, all) => [
        ...(all[index - 1]?.from === from ? [] : [`# ${from}`]),
        `${key}=${value}`,
      ]);
  return `${[
    ...withoutBlankEnd(kept.map(({ text }) => text)),
    '',
    '# Touchline, from here on. Above: the image it was made of.',
    // A filter such as [pi4] would hold to the end of the file.
    ...(kept.some(({ text }) => /^\s*\[/.test(text)) ? ['[all]'] : []),
    // Ends what an overlay above began: parameters are those of the board again.
    ...(kept.some(({ key }) => key === 'dtoverlay') ? ['dtoverlay='] : []),
    ...ours(false),
    ...ours(true),
  ].join('\n')}\n`;
}

/**
 * `BALENA_HOST_CONFIG_{key}` → value, for every setting of a config.txt, as the Supervisor reads it. A list is what stands between the brackets of
 * a JSON array, always quoted: a value that does not begin with a quote is taken for one single entry, and a list that is quoted badly stops it.
 */
export function hostConfigVariables(text: string): Map<string, string> {
  const single = new Map<string, string>();
  const lists = new Map<string, string[]>();
  const add = (key: string, value: string): void => void lists.set(key, [...(lists.get(key) ?? []), value]);
  let overlay: string[] | undefined;
  const overlays: string[][] = [];
  for (const { key, value = '' } of linesOf(text)) {
    if (key === undefined) continue;
    if (key === 'dtoverlay') {
      overlay = value === '' ? undefined : [value];
      if (overlay !== undefined) overlays.push(overlay);
    } else if (key === 'dtparam' && overlay !== undefined && !OF_THE_BOARD.test(value)) overlay.push(value);
    else if (LISTS.includes(key)) add(key, value);
    else single.set(key, value);
  }
  for (const each of overlays) add('dtoverlay', each.join(','));
  const quoted = [...lists].map(([key, values]): [string, string] => [
    key,
    values.map((value) => JSON.stringify(value)).join(','),
  ]);
  return new Map(
    [...single, ...quoted]
      .map(([key, value]): [string, string] => [`BALENA_HOST_CONFIG_${key}`, value])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function linesOf(text: string): Line[] {
  return text.split(/\r?\n/).map((line) => {
    const [, key, value] = /^\s*([a-z][a-z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    return key === undefined || value === undefined ? { text: line } : { text: line, key, value };
  });
}

function withoutBlankEnd(lines: readonly string[]): string[] {
  return lines.slice(0, lines.findLastIndex((line) => line.trim() !== '') + 1);
}
