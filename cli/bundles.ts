import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { type Shell, say } from './shell.ts';

/** Everything that ends in a bundle. */
const SOURCES =
  '{contracts,domain,ports,runtime,services,ota,central}/**/*.ts,package.json,package-lock.json,rollup.config.mjs';

/** Folder of the bundles, built first when there are none or a source is newer than they are. */
export async function builtBundles(shell: Shell): Promise<string> {
  const dist = join(shell.root, 'dist');
  const built = statSync(join(dist, 'built'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const stale = globSync(`{${SOURCES}}`, { cwd: shell.root }).some(
    (file) => statSync(join(shell.root, file)).mtimeMs > built,
  );
  if (stale) await buildBundles(shell);
  return dist;
}

/** One self-contained file per `main.ts`, in `dist`. */
export async function buildBundles(shell: Shell): Promise<void> {
  say(shell, 'touchline: building bundles …');
  const rollup = join(shell.root, 'node_modules/.bin/rollup');
  const child = spawn(shell.node, [rollup, '--config', 'rollup.config.mjs', '--silent'], {
    cwd: shell.root,
    env: { ...shell.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => shell.stderr.write(chunk));
  child.stderr.on('data', (chunk: Buffer) => shell.stderr.write(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new TouchlineError('internal', `rollup failed (${code})`);
}
