import type { z } from 'zod';
import {
  type ConfigInputs,
  type ConfigSource,
  explainIssues,
  gatherConfig,
  isMissing,
  type LoadedConfig,
  loadConfig,
  type Provenance,
} from './config.ts';
import { type KnownKey, knownKeys } from './config-schema.ts';
import { at, place, type Tree } from './config-tree.ts';

export interface ConfigRow {
  readonly path: string;
  /** Undefined when the value is optional and was not given. */
  readonly value: unknown;
  readonly source: ConfigSource;
  readonly where: string;
  /** The configuration cannot be without it, and nobody gave it. */
  readonly needed: boolean;
  readonly description: string;
}

/** Shown in place of a secret. */
const SECRET = '(secret)';

/**
 * Every setting: of a file, as a program would run with it; without a file, what could be said, also where something
 * that is needed is missing. Throws `configuration_invalid` for what is wrong beyond that.
 */
export function explainInputs<S extends z.ZodType>(schema: S, inputs: ConfigInputs): ConfigRow[] {
  if (inputs.file === undefined) {
    const given = gatherConfig(schema, inputs);
    const error = schema.safeParse(given.tree).error;
    if (error !== undefined) {
      const wrong = error.issues.filter((issue) => !isMissing(issue, given.tree));
      if (wrong.length > 0)
        throw explainIssues(wrong, given, {
          file: undefined,
          cause: error,
          remedy: 'Correct what is named.',
        });
      return [...given.known.values()].map((key) => settingRow(key, given.tree, given.provenance));
    }
  }
  return explainConfig(schema, loadConfig(schema, inputs));
}

function settingRow(key: KnownKey, tree: Tree, provenance: ReadonlyMap<string, Provenance>): ConfigRow {
  const { path, description, defaults, needed, when } = key;
  const given = at(tree, path.split('.'));
  const { source, where } = sourceOf(provenance, path);
  const only = defaults.length === 1 ? defaults[0]?.value : undefined;
  const notes = [
    description,
    ...(defaults.length > 1
      ? [`default ${defaults.map((each) => `${JSON.stringify(each.value)} when ${each.when}`).join(', ')}`]
      : []),
    ...(when === '' ? [] : [`when ${when}`]),
  ];
  return {
    path,
    value: given === undefined ? only : shown(given, key),
    source,
    where,
    needed: needed && given === undefined,
    description: notes.filter((note) => note !== '').join('; '),
  };
}

/** A value without what is secret in it. */
function shown(value: unknown, { secret, secretWithin }: KnownKey): unknown {
  if (secret) return SECRET;
  if (secretWithin.length === 0) return value;
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      secretWithin.includes(key) && inner !== undefined ? SECRET : inner,
    ),
  );
}

/** Every value of a configuration: what it is, where it came from, what it is for. */
export function explainConfig<S extends z.ZodType>(
  schema: S,
  { config, provenance }: LoadedConfig<z.output<S>>,
): ConfigRow[] {
  const rows = new Map<string, ConfigRow>();
  for (const key of knownKeys(schema).values()) {
    const { path, description } = key;
    const found = at(config, path.split('.'));
    const value = found === undefined ? undefined : shown(found, key);
    // An optional section that was not given is one row, not one for each of its keys.
    const row = value === undefined ? firstMissing(config, path) : path;
    // A key of a union's other branch has no value here and cannot have one.
    if (rows.has(row) || (value === undefined && isOtherBranch(schema, config, row))) continue;
    const { source, where } = sourceOf(provenance, row);
    rows.set(row, {
      path: row,
      value,
      source,
      where,
      needed: false,
      description: row === path ? description : '',
    });
  }
  return [...rows.values()];
}

function firstMissing(config: unknown, path: string): string {
  const keys = path.split('.');
  const missing = keys.findIndex((_, index) => at(config, keys.slice(0, index + 1)) === undefined);
  return keys.slice(0, missing + 1).join('.');
}

/** Whether giving `path` a value would be refused as unknown: it belongs to a branch that was not chosen. */
function isOtherBranch(schema: z.ZodType, config: unknown, path: string): boolean {
  const probe = structuredClone(config) as Tree;
  place(probe, path.split('.'), null);
  const issues = schema.safeParse(probe).error?.issues ?? [];
  const holder = path.split('.').slice(0, -1).join('.');
  return issues.some((issue) => issue.code === 'unrecognized_keys' && issue.path.join('.') === holder);
}

function sourceOf(provenance: ReadonlyMap<string, Provenance>, path: string): Provenance {
  for (let key = path; key !== ''; key = key.slice(0, Math.max(0, key.lastIndexOf('.')))) {
    const from = provenance.get(key);
    if (from !== undefined) return from;
  }
  return { source: 'default', where: '' };
}
