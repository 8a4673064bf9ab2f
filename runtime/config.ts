import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseAllDocuments, parseDocument, type YAMLMap } from 'yaml';
import type { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { type KnownKey, knownKeys, nearest } from './config-schema.ts';
import { at, place, type Tree } from './config-tree.ts';

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

const NO_FILE = 'Name a file with `--config FILE`; docs/examples holds one of each kind.';
const CONFIG_PREFIX = 'TOUCHLINE_';

/**
 * Configuration from a YAML file, the environment and flags, checked strictly by `schema`.
 * Throws `configuration_invalid` with path, place and what to do; never returns a part of it.
 */
export function loadConfig<S extends z.ZodType>(schema: S, inputs: ConfigInputs): LoadedConfig<z.output<S>> {
  const given = gatherConfig(schema, inputs);
  const parsed = schema.safeParse(given.tree);
  if (!parsed.success)
    throw explainIssues(parsed.error.issues, given, { file: inputs.file, cause: parsed.error });
  return { config: parsed.data, provenance: given.provenance };
}

/** What was said about a configuration, and where; nothing of it is checked yet. */
export interface GivenConfig {
  readonly tree: Tree;
  readonly provenance: ReadonlyMap<string, Provenance>;
  readonly known: ReadonlyMap<string, KnownKey>;
}

/** All sources together. Throws `configuration_invalid` for a source that cannot be read. */
export function gatherConfig(schema: z.ZodType, inputs: ConfigInputs): GivenConfig {
  const known = knownKeys(schema);
  const tree: Tree = {};
  const provenance = new Map<string, Provenance>();
  const give = (path: string, value: unknown, from: Provenance): void => {
    if (!place(tree, path.split('.'), value)) throw invalid(`${from.where}: is not the name of a setting`);
    for (const key of provenance.keys()) if (key.startsWith(`${path}.`)) provenance.delete(key);
    provenance.set(path, from);
  };

  if (inputs.file !== undefined) {
    readFile(inputs.file, give);
    refuseOtherKind(inputs.file, tree, schema);
  }

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
  return { tree, provenance, known };
}

/** The kinds of configuration there are: each is told by the top-level keys that only it knows. */
const KINDS = [
  {
    schema: NodeConfig,
    name: 'a camera node',
    way: '`./touchline node`, or `config explain` without `--server`',
  },
  {
    schema: ServerConfig,
    name: 'the central server',
    way: '`./touchline server`, or `config explain --server`',
  },
] as const;

/** A file that is meant for another program would only give a heap of unknown keys. */
function refuseOtherKind(file: string, tree: Tree, schema: z.ZodType): void {
  const wanted = KINDS.find((kind) => kind.schema === schema);
  const foreign = (kind: z.ZodType): number => {
    const top = new Set([...knownKeys(kind).keys()].map((path) => path.split('.')[0]));
    return Object.keys(tree).filter((key) => !top.has(key)).length;
  };
  const other = KINDS.find((kind) => kind !== wanted && foreign(kind.schema) < foreign(schema));
  if (wanted !== undefined && other !== undefined)
    throw invalid(`${file}: is a configuration of ${other.name}, not of ${wanted.name}`, {
      remedy: `Give it to ${other.way}.`,
    });
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
    throw invalid(`${file}: ${why[code ?? ''] ?? `cannot be read (${code})`}`, {
      cause: error,
      remedy: 'Give the path of a YAML file; docs/examples holds one of each kind.',
    });
  }
}

/** Text from outside as a value: YAML's rules (`8080`, `true`, `[a, b]`), except where only text is accepted. */
function fromText(text: string, path: string, known: ReadonlyMap<string, KnownKey>, where: string): unknown {
  if (known.get(path)?.types.every((type) => type === 'string')) return text;
  const document = parseDocument(text, { strict: true });
  const problem = document.errors[0];
  if (problem !== undefined)
    throw invalid(`${where}: cannot be read as a value`, { field: path, cause: problem });
  return document.toJS();
}

/** Whether a value that is needed was not given; a rule between values is another matter. */
export function isMissing(issue: z.core.$ZodIssue, tree: Tree): boolean {
  return (
    issue.code !== 'unrecognized_keys' &&
    issue.code !== 'custom' &&
    at(tree, issue.path.map(String)) === undefined
  );
}

/** All that is wrong, in one error: the first issue names the field, each has its line. */
export function explainIssues(
  issues: readonly z.core.$ZodIssue[],
  { tree, known, provenance }: GivenConfig,
  { file, cause, remedy }: { file: string | undefined; cause: z.ZodError; remedy?: string },
): TouchlineError {
  const found: { field: string; text: string }[] = [];
  for (const issue of issues) {
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
      const reason = isMissing(issue, tree)
        ? `is missing${describe(known.get(base))}`
        : base === 'version'
          ? `${JSON.stringify(value)} is not a version this program reads; ${issue.message}`
          : issue.message;
      found.push({ field: base, text: `${placeOf(base, provenance, file)}${base}: ${reason}` });
    }
  }
  return invalid(found.map(({ text }) => text).join('\n'), {
    field: found[0]?.field,
    cause,
    remedy:
      remedy ??
      (file === undefined && cause.issues.some((issue) => isMissing(issue, tree)) ? NO_FILE : undefined),
  });
}

function describe(key: KnownKey | undefined): string {
  return key === undefined || key.description === '' ? '' : ` (${key.description})`;
}

function unknownKey(path: string, known: ReadonlyMap<string, KnownKey>): string {
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
  extras: { field?: string | undefined; cause?: unknown; remedy?: string | undefined } = {},
): TouchlineError {
  return new TouchlineError('configuration_invalid', message, extras);
}
