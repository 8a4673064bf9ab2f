import type { FirmwareLayer } from '#contracts/rig-description.ts';

/** Layers, merged: what is set in the end, and where each value came from. */

export const SECTIONS = ['config_txt', 'cmdline', 'config_json', 'connections', 'chrony', 'node'] as const;
export type Section = (typeof SECTIONS)[number];

type Value<S extends Section> = Exclude<FirmwareLayer[S][number]['value'], null>;

export interface Setting<S extends Section = Section> {
  /** What makes two settings the same one: `dtoverlay:touchline-gnss`, `console:tty1`, or the key. */
  readonly id: string;
  readonly key: string;
  readonly value: Value<S>;
  readonly why: string;
  /** Name of the layer that set it. */
  readonly from: string;
  /** Layers whose value it replaced, the first first. */
  readonly over: readonly string[];
}

export type Recipe = { readonly [S in Section]: readonly Setting<S>[] } & {
  /** Ids or keys that a layer took away, so that the base image's own go, too. */
  readonly removed: { readonly [S in Section]: readonly string[] };
};

/** `layers` from the lowest to the highest; the highest that sets something wins, and a null takes it away. */
export function mergeLayers(layers: readonly FirmwareLayer[]): Recipe {
  const merged = SECTIONS.map((section) => [section, mergeSection(layers, section)]);
  const removed = SECTIONS.map((section) => [
    section,
    layers.flatMap((layer) => layer[section].filter(({ value }) => value === null).map(({ key }) => key)),
  ]);
  return { ...Object.fromEntries(merged), removed: Object.fromEntries(removed) } as Recipe;
}

function mergeSection<S extends Section>(layers: readonly FirmwareLayer[], section: S): Setting<S>[] {
  const found = new Map<string, Setting<S>>();
  for (const layer of layers)
    for (const { key, value, why } of layer[section]) {
      if (value === null) {
        for (const [each, setting] of found) if (each === key || setting.key === key) found.delete(each);
        continue;
      }
      const id = identity(section, key, value);
      const before = found.get(id);
      found.set(id, {
        id,
        key,
        value: value as Value<S>,
        why,
        from: layer.layer,
        over: before === undefined ? [] : [...before.over, before.from],
      });
    }
  return [...found.values()];
}

/** Keys that may stand more than once; the beginning of their value tells one from another. */
function identity(section: Section, key: string, value: unknown): string {
  if (typeof value !== 'string') return key;
  if (section === 'config_txt') return configTxtIdentity(key, value);
  if (section === 'cmdline' && key === 'console') return `${key}:${before(value, ',')}`;
  if (section === 'chrony' && ['server', 'pool', 'refclock', 'allow'].includes(key))
    return `${key}:${before(value, ' ')}`;
  return key;
}

/** `dtparam=watchdog=on` is `dtparam:watchdog`, `dtoverlay=x,a=1` is `dtoverlay:x`; any other key stands once. */
export function configTxtIdentity(key: string, value: string): string {
  if (key === 'dtparam') return `${key}:${before(value, '=')}`;
  if (key === 'dtoverlay') return `${key}:${before(value, ',')}`;
  return key === 'gpio' ? `${key}:${before(value, '=')}` : key;
}

function before(text: string, separator: string): string {
  return text.split(separator)[0] ?? '';
}
