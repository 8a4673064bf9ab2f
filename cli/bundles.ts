import { globSync, mkdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { OutputAsset, OutputChunk, OutputOptions, RollupCache, RollupOptions } from 'rollup';
import { takeLock } from './lock.ts';
import { type Shell, say } from './shell.ts';

/** What `./touchline build` makes: each from its sources, with a file whose time says when. */
const PARTS = {
  /** One self-contained file per `main.ts`. */
  programs: {
    sources: '{contracts,domain,ports,runtime,services,ota,central}/**/*.ts',
    stamp: 'dist/built',
    packages: 'dist/packages.json',
  },
  /** One folder per page of `ui/`. */
  pages: {
    sources: '{ui,contracts,domain}/**/*.{ts,tsx,css,html,svg,json}',
    stamp: 'dist/ui/built',
    packages: 'dist/ui/packages.json',
  },
} as const;
type PartName = keyof typeof PARTS;

const TOOLS = '{package.json,package-lock.json,rollup.config.mjs}';
const LOCK_POLL_MS = 300;
const PACKAGE = /^(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//;

type Configured = RollupOptions & { input: string; output: OutputOptions };

/** Folder of the bundled programs and pages, built first when there are none or a source is newer than they are. */
export async function builtBundles(shell: Shell): Promise<string> {
  await alone(shell, async () => {
    for (const part of ['programs', 'pages'] as const) if (isStale(shell, part)) await build(shell, part);
  });
  return join(shell.root, 'dist');
}

/** The pages alone: what services that run from their sources need. */
export async function builtPages(shell: Shell): Promise<void> {
  if (!isStale(shell, 'pages')) return;
  await alone(shell, async () => {
    if (isStale(shell, 'pages')) await build(shell, 'pages');
  });
}

/** Programs and pages, also when they are as new as their sources. */
export async function buildBundles(shell: Shell): Promise<void> {
  await alone(shell, async () => {
    for (const part of ['programs', 'pages'] as const) await build(shell, part);
  });
}

function isStale(shell: Shell, part: PartName): boolean {
  const { sources, stamp } = PARTS[part];
  const built = statSync(join(shell.root, stamp), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return globSync([sources, TOOLS], { cwd: shell.root }).some(
    (file) => statSync(join(shell.root, file)).mtimeMs > built,
  );
}

async function build(shell: Shell, part: PartName): Promise<void> {
  const begun = new Date();
  const { rollup } = await import('rollup');
  const config = (await import(pathToFileURL(join(shell.root, 'rollup.config.mjs')).href)) as {
    default: Configured[];
    pages: Configured[];
  };
  let cache: RollupCache | undefined;
  const packages: Record<string, string[]> = {};
  for (const options of part === 'programs' ? config.default : config.pages) {
    say(shell, `touchline: bundling ${relative(shell.root, options.input)} …`);
    // What the programs share is read and transformed once.
    const bundle = await rollup({ ...options, cache: part === 'programs' ? (cache ?? false) : false });
    if (bundle.cache) cache = bundle.cache;
    const { output } = await bundle.generate(options.output);
    await bundle.close();
    packages[relative(shell.root, dirname(options.input))] = packagesIn(shell.root, output);
    const { file, dir } = options.output;
    if (dir !== undefined) writePage(dir, output);
    else if (file !== undefined) writeWhole(file, output[0].code);
  }
  writeWhole(join(shell.root, PARTS[part].packages), `${JSON.stringify(packages, null, 2)}\n`);
  const stamp = join(shell.root, PARTS[part].stamp);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  // What changed while it was built may be missing in it.
  utimesSync(stamp, begun, begun);
}

/** The npm packages that something bundled is made of, as the lock file names them: `node_modules/zod`. */
function packagesIn(root: string, output: readonly (OutputAsset | OutputChunk)[]): string[] {
  const modules = output.flatMap((each) => (each.type === 'chunk' ? each.moduleIds : []));
  // What stands for a module of a library begins with a NUL character.
  const paths = modules.map((id) => relative(root, id.replace(/^\0/, '')));
  return [...new Set(paths.flatMap((path) => PACKAGE.exec(path)?.[1] ?? []))].sort();
}

/** Renamed into place: a running demo that starts a service again never reads half a file. */
function writeWhole(file: string, contents: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, contents);
  renameSync(`${file}.new`, file);
}

/** A page with its assets, each also compressed: a camera's processor has better things to do while it records. */
function writePage(dir: string, output: readonly (OutputChunk | OutputAsset)[]): void {
  const files = output.map((each) => ({
    name: each.fileName,
    bytes: Buffer.from(each.type === 'chunk' ? each.code : each.source),
  }));
  // The page itself last: once it is there, all it names is.
  for (const { name, bytes } of files.toSorted(
    (a, b) => Number(a.name === 'index.html') - Number(b.name === 'index.html'),
  )) {
    writeWhole(join(dir, `${name}.br`), brotliCompressSync(bytes));
    writeWhole(join(dir, `${name}.gz`), gzipSync(bytes, { level: 9 }));
    writeWhole(join(dir, name), bytes);
  }
  const known = new Set(files.flatMap(({ name }) => [name, `${name}.br`, `${name}.gz`]));
  for (const old of globSync('**/*.*', { cwd: dir })) if (!known.has(old)) rmSync(join(dir, old));
}

/** Runs `work` while no other process of this checkout does. */
async function alone(shell: Shell, work: () => Promise<void>): Promise<void> {
  let lock = await takeLock(`build ${shell.root}`);
  if (lock === undefined) say(shell, 'touchline: waiting for another build …');
  while (lock === undefined) {
    await sleep(LOCK_POLL_MS);
    lock = await takeLock(`build ${shell.root}`);
  }
  try {
    await work();
  } finally {
    lock.release();
  }
}
