import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import { build } from 'esbuild';
import esbuild from 'rollup-plugin-esbuild';

const ROOT = import.meta.dirname;

/**
 * Not bundled: native code, which a container image brings beside the bundle, and what its importer does without
 * (`pg` tries `pg-native`, `ws` tries the two others).
 */
const EXTERNAL = ['classic-level', 'koffi', 'serialport', 'pg-native', 'bufferutil', 'utf-8-validate'];

function onwarn(warning, warn) {
  // How libraries are written, and nothing that is lost by it.
  if (!['CIRCULAR_DEPENDENCY', 'THIS_IS_UNDEFINED', 'INVALID_ANNOTATION'].includes(warning.code ?? ''))
    warn(warning);
}

/** `services/recorder/main.ts` → `dist/services/recorder.mjs`: one self-contained file each. */
const programs = globSync('{services/*,central/*,ota}/main.ts', { cwd: ROOT })
  .sort()
  .map((input) => ({
    input: join(ROOT, input),
    output: {
      file: join(ROOT, 'dist', `${dirname(input)}.mjs`),
      format: 'es',
      inlineDynamicImports: true,
      // Bundled CommonJS still asks for `require`, for what Node itself brings.
      banner:
        "import { createRequire as bundleRequire } from 'node:module';\nconst require = bundleRequire(import.meta.url);",
    },
    external: (name) => name.startsWith('node:') || builtinModules.includes(name) || EXTERNAL.includes(name),
    plugins: [
      nodeResolve({ exportConditions: ['node'], preferBuiltins: true }),
      commonjs({ ignoreTryCatch: true }),
      json(),
      // Not minified, so a stack trace from a device can be read without a map.
      esbuild({ target: 'node24', sourceMap: false }),
    ],
    onwarn,
  }));

/** `ui/dashboard/main.tsx` → `dist/ui/dashboard/`: `index.html`, and its assets with hashed names. */
export const pages = globSync('ui/*/main.tsx', { cwd: ROOT })
  .sort()
  .map((input) => {
    const folder = join(ROOT, dirname(input));
    return {
      input: join(ROOT, input),
      output: {
        dir: join(ROOT, 'dist', dirname(input)),
        format: 'es',
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
      plugins: [
        nodeResolve({ browser: true, extensions: ['.ts', '.tsx', '.mjs', '.js'] }),
        esbuild({
          target: 'es2022',
          jsx: 'automatic',
          jsxImportSource: 'preact',
          minify: true,
          sourceMap: false,
          tsconfig: join(ROOT, 'ui/tsconfig.json'),
        }),
        page(folder),
      ],
      onwarn,
    };
  });

/** Bundles the page's `style.css`, and writes its `index.html` with the names that both got. */
function page(folder) {
  return {
    name: 'page',
    async generateBundle(_options, bundle) {
      const { outputFiles } = await build({
        entryPoints: [join(folder, 'style.css')],
        bundle: true,
        minify: true,
        write: false,
        target: 'es2022',
      });
      const style = this.emitFile({ type: 'asset', name: 'style.css', source: outputFiles[0].contents });
      const script = Object.values(bundle).find((each) => each.type === 'chunk' && each.isEntry);
      const html = readFileSync(join(folder, 'index.html'), 'utf8')
        .replace('%STYLE%', `/${this.getFileName(style)}`)
        .replace('%SCRIPT%', `/${script.fileName}`);
      this.emitFile({ type: 'asset', fileName: 'index.html', source: html });
    },
  };
}

/** Built by `./touchline build`. */
export default programs;
