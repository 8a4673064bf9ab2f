import { z } from 'zod';

/** The part of JSON Schema that the walk below needs. */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  /** Set with `.meta({ secret: true })`. */
  readonly secret?: boolean;
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
}

/** Every value a schema knows, in the schema's order; the branches of a union come together under one path. */
export function knownKeys(schema: z.ZodType): Map<string, KnownKey> {
  const known = new Map<string, KnownKey>();
  const walk = (node: Node, path: string, inherited: string): void => {
    const branches = node.oneOf ?? node.anyOf;
    if (branches !== undefined) {
      for (const branch of branches) walk(branch, path, '');
      return;
    }
    if (node.properties !== undefined) {
      for (const [key, child] of Object.entries(node.properties))
        walk(child, path === '' ? key : `${path}.${key}`, '');
      return;
    }
    const before = known.get(path);
    const text = node.description ?? inherited;
    const allowed = node.const === undefined ? '' : JSON.stringify(node.const);
    known.set(path, {
      path,
      description: join(before?.description, text === '' ? allowed : text),
      types: [...new Set([...(before?.types ?? []), node.type ?? 'any'])],
      secret: node.secret === true || before?.secret === true,
    });
  };
  walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node, '', '');
  return known;
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
