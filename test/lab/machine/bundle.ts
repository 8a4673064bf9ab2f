import { mkdirSync } from 'node:fs';
import { copyFile, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

/** Bundles a program of test/lab/programs into one file, as devices run the services. Returns its path. */
export async function bundle(program: string, folder: string): Promise<string> {
  const outfile = join(folder, `${basename(program, '.ts')}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, '../programs', program)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['classic-level', 'koffi', 'serialport'],
    logLevel: 'error',
    banner: {
      js: "import { createRequire as bundleRequire } from 'node:module';\nconst require = bundleRequire(import.meta.url);",
    },
  });
  return outfile;
}

/** A guest's folder with a bundled program in it; what is native the guest finds in the checkout. */
export async function shareWith(folder: string, bundled: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await copyFile(bundled, join(folder, basename(bundled)));
  await symlink('/product/node_modules', join(folder, 'node_modules'));
  return folder;
}
