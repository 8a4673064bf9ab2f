/** Sections within sections, as YAML gives them. */
export type Tree = { [key: string]: unknown };

/** Sets a value, with the sections above it; false when `path` is no name that a setting can have. */
export function place(tree: Tree, path: readonly string[], value: unknown): boolean {
  const last = path.at(-1);
  if (last === undefined || path.includes('') || path.includes('__proto__')) return false;
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
  return true;
}

/** The value at a path, or undefined. */
export function at(value: unknown, path: readonly string[]): unknown {
  let level = value;
  for (const key of path) {
    if (typeof level !== 'object' || level === null) return undefined;
    level = (level as Tree)[key];
  }
  return level;
}
