import { z } from 'zod';

/** The part of JSON Schema that the walk below needs. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  /** Set with `.meta({ secret: true })`. */
  readonly secret?: boolean;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly oneOf?: readonly Node[];
  readonly anyOf?: readonly Node[];
}

/** One value that a configuration can have. */
export interface KnownKey {
  readonly path: string;
  readonly description: string;
  /** JSON Schema types that are accepted here. */
  readonly types: readonly string[];
  /** Its value is never shown. */
  readonly secret: boolean;
  /** Of a list: keys of its entries whose values are never shown. */
  readonly secretWithin: readonly string[];
  /** What it is when nobody says; a setting that several branches of a union know has one for each. */
  readonly defaults: readonly { readonly value: unknown; readonly when: string }[];
  /** The configuration, or the optional section it belongs to, cannot be without it. */
  readonly needed: boolean;
  /** The choice it belongs to, such as `camera.source is file`; empty when it is always there. */
  readonly when: string;
}

/** Every value a schema knows, in the schema's order; the branches of a union come together under one path. */
export function knownKeys(schema: z.ZodType): Map<string, KnownKey> {
  const known = new Map<string, KnownKey>();
  const walk = (
    node: Node,
    path: string,
    about: { needed: boolean; when: string; inherited: string },
  ): void => {
    const branches = node.oneOf ?? node.anyOf;
    if (branches !== undefined) {
      for (const branch of branches)
        walk(branch, path, { ...about, when: choice(branch, path) ?? about.when, inherited: '' });
      return;
    }
    if (node.properties !== undefined) {
      for (const [key, child] of Object.entries(node.properties)) {
        const needed = node.required?.includes(key) === true;
        const name = path === '' ? key : `${path}.${key}`;
        const optional = child.properties !== undefined && !needed && child.default === undefined;
        walk(child, name, { needed, when: optional ? `${name} is given` : about.when, inherited: '' });
      }
      return;
    }
    const before = known.get(path);
    const meaning = node.description ?? about.inherited;
    const words = node.enum?.join(', ');
    const text = words === undefined || meaning.includes('`') ? meaning : `${meaning}: ${words}`;
    const allowed = node.const === undefined ? '' : JSON.stringify(node.const);
    // The setting that makes the choice does not belong to one of its branches.
    const when = node.const === undefined && before === undefined ? about.when : '';
    const own = node.default === undefined ? [] : [{ value: node.default, when: about.when }];
    known.set(path, {
      path,
      description: join(before?.description, text === '' ? allowed : text),
      types: [...new Set([...(before?.types ?? []), node.type ?? 'any'])],
      secret: node.secret === true || before?.secret === true,
      secretWithin: secretsIn(node.items),
      defaults: [...(before?.defaults ?? []), ...own],
      needed: about.needed,
      when,
    });
  };
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node, '', {
    needed: true,
    when: '',
    inherited: '',
  });
  return known;
}

/** Names of the secret keys of what a list has in it, however deep. */
function secretsIn(node: Node | undefined): string[] {
  if (node === undefined) return [];
  const own = Object.entries(node.properties ?? {});
  const within = [...own.map(([, child]) => child), ...(node.oneOf ?? node.anyOf ?? []), node.items];
  return [
    ...own.filter(([, { secret }]) => secret === true).map(([key]) => key),
    ...within.flatMap(secretsIn),
  ];
}

/** What chooses a branch of a union: its key that has one value only. */
function choice(branch: Node, path: string): string | undefined {
  const [key, child] =
    Object.entries(branch.properties ?? {}).find(([, { const: only }]) => only !== undefined) ?? [];
  return child === undefined ? undefined : `${path}.${key} is ${child.const}`;
}

function join(before: string | undefined, text: string): string {
  if (before === undefined || before === '') return text;
  return before.split(' | ').includes(text) || text === '' ? before : `${before} | ${text}`;
}

/** The candidate that is most like `word`, or undefined when none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const name of candidates) {
    const distance = editDistance(word, name);
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  // Beyond a third of the word it is another word, not a slip of the hand.
  return best !== undefined && best.distance <= Math.max(2, Math.floor(word.length / 3))
    ? best.name
    : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
