import { basename, join } from 'node:path';
import { build } from 'esbuild';

/**
 * Bundles a program of test/bench/programs into one file, as devices run the services: straight from the sources Node
 * needs some 60 MiB more, for the compiler that strips the types. Returns its path.
 */
export async function bundled(program: string, folder: string): Promise<string> {
  const outfile = join(folder, `${basename(program, '.ts')}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, '../programs', program)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['classic-level'],
    logLevel: 'error',
    banner: {
      js: "import { createRequire as bundleRequire } from 'node:module';\nconst require = bundleRequire(import.meta.url);",
    },
  });
  return outfile;
}
