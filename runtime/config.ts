import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseAllDocuments, parseDocument, type YAMLMap } from 'yaml';
import type { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { type KnownKey, knownKeys, nearest } from './config-schema.ts';

/** Which source gave a value; a later one wins: default, file, env, flag. */
export type ConfigSource = 'default' | 'file' | 'env' | 'flag';

export interface Provenance {
  readonly source: ConfigSource;
  /** `FILE:LINE`, the variable's name, or the flag; empty for a default. */
  readonly where: string;
}

export interface ConfigInputs {
  /** YAML file. */
  readonly file?: string | undefined;
  /** `TOUCHLINE_OFFLOAD__SERVER_URL=…`: two underscores go one level down. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `offload.server_url=…`, as `--set` takes them. */
  readonly flags?: readonly string[] | undefined;
  readonly prefix?: string;
}

export interface LoadedConfig<T> {
  readonly config: T;
  /** Source of each value that was given; what is not here is the default. Keys are paths such as `api.port`. */
  readonly provenance: ReadonlyMap<string, Provenance>;
}

export interface ConfigRow {
  readonly path: string;
  /** Undefined when the value is optional and was not given. */
  readonly value: unknown;
  readonly source: ConfigSource;
  readonly where: string;
  readonly description: string;
}

type Tree = { [key: string]: unknown };

/** Shown in place of a secret. */
const SECRET = '(secret)';
const CONFIG_PREFIX = 'TOUCHLINE_';

/**
 * Configuration from a YAML file, the environment and flags, checked strictly by `schema`.
 * Throws `configuration_invalid` with path, place and what to do; never returns a part of it.
 */
export function loadConfig<S extends z.ZodType>(schema: S, inputs: ConfigInputs): LoadedConfig<z.output<S>> {
  const known = knownKeys(schema);
  const tree: Tree = {};
  const provenance = new Map<string, Provenance>();
  const give = (path: string, value: unknown, from: Provenance): void => {
    place(tree, path.split('.'), value, from);
    for (const key of provenance.keys()) if (key.startsWith(`${path}.`)) provenance.delete(key);
    provenance.set(path, from);
  };

  if (inputs.file !== undefined) readFile(inputs.file, give);

  const prefix = inputs.prefix ?? CONFIG_PREFIX;
  for (const [name, text] of Object.entries(inputs.env)) {
    if (!name.startsWith(prefix) || text === undefined) continue;
    const path = name.slice(prefix.length).toLowerCase().replaceAll('__', '.');
    give(path, fromText(text, path, known, name), { source: 'env', where: name });
  }
  for (const flag of inputs.flags ?? []) {
    const equals = flag.indexOf('=');
    if (equals < 1) throw invalid(`--set ${flag}: must look like section.key=value`);
    const path = flag.slice(0, equals).trim();
    const where = `--set ${flag}`;
    give(path, fromText(flag.slice(equals + 1), path, known, where), { source: 'flag', where });
  }

  const parsed = schema.safeParse(tree);
  if (!parsed.success) throw explainIssues(parsed.error, tree, known, provenance, inputs.file);
  return { config: parsed.data, provenance };
}

/** Every value of a configuration: what it is, where it came from, what it is for. */
export function explainConfig<S extends z.ZodType>(
  schema: S,
  { config, provenance }: LoadedConfig<z.output<S>>,
): ConfigRow[] {
  const rows = new Map<string, ConfigRow>();
  for (const { path, description, secret } of knownKeys(schema).values()) {
    const found = at(config, path.split('.'));
    const value = secret && found !== undefined ? SECRET : found;
    // An optional section that was not given is one row, not one for each of its keys.
    const row = value === undefined ? firstMissing(config, path) : path;
    // A key of a union's other branch has no value here and cannot have one.
    if (rows.has(row) || (value === undefined && isOtherBranch(schema, config, row))) continue;
    const { source, where } = sourceOf(provenance, row);
    rows.set(row, { path: row, value, source, where, description: row === path ? description : '' });
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
  place(probe, path.split('.'), null, { source: 'default', where: path });
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

function readFile(file: string, give: (path: string, value: unknown, from: Provenance) => void): void {
  const text = readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    if (problem.code === 'MULTIPLE_DOCS')
      throw invalid(`${file}: holds ${parseAllDocuments(text).length} YAML documents; one is expected`);
    const [first] = problem.message.split(' at line');
    throw invalid(`${file}:${lines.linePos(problem.pos[0]).line}: ${first}`, { cause: problem });
  }
  if (document.contents === null) throw invalid(`${file}: is empty`);
  if (!isMap(document.contents)) throw invalid(`${file}: must hold keys and values, such as "version: 1"`);

  const whole: unknown = document.toJS();
  const walk = (map: YAMLMap, parents: string[]): void => {
    for (const { key, value } of map.items) {
      if (!isScalar(key)) throw invalid(`${file}: a key must be a plain word`);
      const path = [...parents, String(key.value)];
      const line = lines.linePos(key.range?.[0] ?? 0).line;
      if (isMap(value) && value.items.length > 0) walk(value, path);
      else give(path.join('.'), at(whole, path), { source: 'file', where: `${file}:${line}` });
    }
  };
  walk(document.contents, []);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why: Record<string, string> = {
      ENOENT: 'does not exist',
      EACCES: 'may not be read by this user',
      EISDIR: 'is a folder, not a file',
    };
    throw invalid(`${file}: ${why[code ?? ''] ?? `cannot be read (${code})`}`, { cause: error });
  }
}

/** Text from outside as a value: YAML's rules (`8080`, `true`, `[a, b]`), except where only text is accepted. */
function fromText(text: string, path: string, known: Map<string, KnownKey>, where: string): unknown {
  if (known.get(path)?.types.every((type) => type === 'string')) return text;
  const document = parseDocument(text, { strict: true });
  const problem = document.errors[0];
  if (problem !== undefined)
    throw invalid(`${where}: cannot be read as a value`, { field: path, cause: problem });
  return document.toJS();
}

function place(tree: Tree, path: string[], value: unknown, from: Provenance): void {
  const last = path.at(-1);
  if (last === undefined || path.includes('') || path.includes('__proto__'))
    throw invalid(`${from.where}: is not the name of a setting`);
  let level = tree;
  for (const key of path.slice(0, -1)) {
    const next = level[key];
    if (typeof next === 'object' && next !== null && !Array.isArray(next)) level = next as Tree;
    else {
      const fresh: Tree = {};
      level[key] = fresh;
      level = fresh;
    }
  }
  level[last] = value;
}

function at(value: unknown, path: readonly string[]): unknown {
  let level = value;
  for (const key of path) {
    if (typeof level !== 'object' || level === null) return undefined;
    level = (level as Tree)[key];
  }
  return level;
}

/** All that is wrong, in one error: the first issue names the field, each has its line. */
function explainIssues(
  error: z.ZodError,
  tree: Tree,
  known: Map<string, KnownKey>,
  provenance: ReadonlyMap<string, Provenance>,
  file: string | undefined,
): TouchlineError {
  const found: { field: string; text: string }[] = [];
  for (const issue of error.issues) {
    const base = issue.path.join('.');
    if (issue.code === 'unrecognized_keys')
      for (const key of issue.keys) {
        const path = base === '' ? key : `${base}.${key}`;
        found.push({
          field: path,
          text: `${placeOf(path, provenance, file)}${path}: ${unknownKey(path, known)}`,
        });
      }
    else {
      const value = at(tree, issue.path.map(String));
      const reason =
        value === undefined && issue.code !== 'custom'
          ? `is missing${describe(known.get(base))}`
          : base === 'version'
            ? `${JSON.stringify(value)} is not a version this program reads; ${issue.message}`
            : issue.message;
      found.push({ field: base, text: `${placeOf(base, provenance, file)}${base}: ${reason}` });
    }
  }
  return invalid(found.map(({ text }) => text).join('\n'), { field: found[0]?.field, cause: error });
}

function describe(key: KnownKey | undefined): string {
  return key === undefined || key.description === '' ? '' : ` (${key.description})`;
}

function unknownKey(path: string, known: Map<string, KnownKey>): string {
  const parent = path.slice(0, path.lastIndexOf('.') + 1);
  const siblings = new Set(
    [...known.keys()]
      .filter((key) => key.startsWith(parent))
      .map((key) => key.slice(parent.length).split('.')[0] ?? ''),
  );
  const word = path.slice(parent.length);
  const close = nearest(word, siblings);
  if (close !== undefined && close !== word) return `unknown key; did you mean ${parent}${close}?`;
  const elsewhere = [...known.keys()].find((key) => key.split('.').at(-1) === word && key !== path);
  if (elsewhere !== undefined) return `unknown key; did you mean ${elsewhere}?`;
  const allowed = [...siblings].filter((sibling) => sibling !== word);
  return `unknown key here; known are ${allowed.join(', ')}`;
}

function placeOf(
  path: string,
  provenance: ReadonlyMap<string, Provenance>,
  file: string | undefined,
): string {
  for (let key = path; key !== ''; key = key.slice(0, Math.max(0, key.lastIndexOf('.')))) {
    const from = provenance.get(key) ?? [...provenance].find(([other]) => other.startsWith(`${key}.`))?.[1];
    if (from !== undefined) return `${from.where}: `;
  }
  return file === undefined ? '' : `${file}: `;
}

function invalid(
  message: string,
  extras: { field?: string | undefined; cause?: unknown } = {},
): TouchlineError {
  return new TouchlineError('configuration_invalid', message, extras);
}
