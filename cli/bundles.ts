import { globSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RollupCache, RollupOptions } from 'rollup';
import { type Shell, say } from './shell.ts';

/** Everything that ends in a bundle. */
const SOURCES =
  '{contracts,domain,ports,runtime,services,ota,central}/**/*.ts,package.json,package-lock.json,rollup.config.mjs';

/** Its time stamp says when the bundles were made. */
const BUILT = 'dist/built';

/** Folder of the bundles, built first when there are none or a source is newer than they are. */
export async function builtBundles(shell: Shell): Promise<string> {
  const built = statSync(join(shell.root, BUILT), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const stale = globSync(`{${SOURCES}}`, { cwd: shell.root }).some(
    (file) => statSync(join(shell.root, file)).mtimeMs > built,
  );
  if (stale) await buildBundles(shell);
  return join(shell.root, 'dist');
}

/** One self-contained file per `main.ts`, in `dist`. */
export async function buildBundles(shell: Shell): Promise<void> {
  const begun = new Date();
  const { rollup } = await import('rollup');
  rmSync(join(shell.root, 'dist'), { recursive: true, force: true });
  const file = join(shell.root, 'rollup.config.mjs');
  const config = (await import(pathToFileURL(file).href)) as {
    default: (RollupOptions & { input: string })[];
  };
  let cache: RollupCache | undefined;
  for (const options of config.default) {
    say(shell, `touchline: bundling ${options.input} …`);
    // What the bundles share is read and transformed once.
    const bundle = await rollup({ ...options, cache: cache ?? false });
    cache = bundle.cache;
    for (const output of [options.output ?? []].flat()) await bundle.write(output);
    await bundle.close();
  }
  writeFileSync(join(shell.root, BUILT), '');
  // What changed while it was built may be missing in it.
  utimesSync(join(shell.root, BUILT), begun, begun);
}
