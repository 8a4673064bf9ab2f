import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { globSync, mkdirSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { OutputOptions, RollupCache, RollupOptions } from 'rollup';
import { type Shell, say } from './shell.ts';

/** Everything that ends in a bundle. */
const SOURCES =
  '{contracts,domain,ports,runtime,services,ota,central}/**/*.ts,package.json,package-lock.json,rollup.config.mjs';

/** Its time stamp says when the bundles were made. */
const BUILT = 'dist/built';
const LOCK_POLL_MS = 300;

type BundleOptions = RollupOptions & { input: string; output: OutputOptions & { file: string } };

/** Folder of the bundles, built first when there are none or a source is newer than they are. */
export async function builtBundles(shell: Shell): Promise<string> {
  await alone(shell, async () => {
    const built = statSync(join(shell.root, BUILT), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const stale = globSync(`{${SOURCES}}`, { cwd: shell.root }).some(
      (file) => statSync(join(shell.root, file)).mtimeMs > built,
    );
    if (stale) await build(shell);
  });
  return join(shell.root, 'dist');
}

/** One self-contained file per `main.ts`, in `dist`. */
export async function buildBundles(shell: Shell): Promise<void> {
  await alone(shell, () => build(shell));
}

async function build(shell: Shell): Promise<void> {
  const begun = new Date();
  const { rollup } = await import('rollup');
  const config = (await import(pathToFileURL(join(shell.root, 'rollup.config.mjs')).href)) as {
    default: BundleOptions[];
  };
  let cache: RollupCache | undefined;
  for (const options of config.default) {
    say(shell, `touchline: bundling ${relative(shell.root, options.input)} …`);
    // What the bundles share is read and transformed once.
    const bundle = await rollup({ ...options, cache: cache ?? false });
    cache = bundle.cache;
    const { output } = await bundle.generate(options.output);
    await bundle.close();
    // Renamed into place: a running demo that starts a service again never reads half a file.
    const { file } = options.output;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, output[0].code);
    renameSync(`${file}.new`, file);
  }
  writeFileSync(join(shell.root, BUILT), '');
  // What changed while it was built may be missing in it.
  utimesSync(join(shell.root, BUILT), begun, begun);
}

/**
 * Runs `work` while no other process of this checkout does. The lock is an abstract Unix socket (Linux): it has no file
 * that could be left behind, and ends with its process.
 */
async function alone(shell: Shell, work: () => Promise<void>): Promise<void> {
  const name = `\0touchline-build-${createHash('sha256').update(shell.root).digest('hex').slice(0, 16)}`;
  const lock = createServer();
  for (let waiting = false; ; waiting = true) {
    lock.listen(name);
    const taken = await once(lock, 'listening').then(
      () => false,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') return true;
        throw error;
      },
    );
    if (!taken) break;
    if (!waiting) say(shell, 'touchline: waiting for another build …');
    await sleep(LOCK_POLL_MS);
  }
  try {
    await work();
  } finally {
    lock.close();
  }
}
