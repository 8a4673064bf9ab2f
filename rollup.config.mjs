import { globSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import commonjs from '@rollup/plugin-commonjs';
import json from '@rollup/plugin-json';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import esbuild from 'rollup-plugin-esbuild';

/**
 * Not bundled: native code, which a container image brings beside the bundle, and what its importer does without
 * (`pg` tries `pg-native`, `ws` tries the two others).
 */
const EXTERNAL = ['classic-level', 'pg-native', 'bufferutil', 'utf-8-validate'];

/** Built by `./touchline build`. `services/recorder/main.ts` → `dist/services/recorder.mjs`: one self-contained file each. */
export default globSync('{services/*,central/*,ota}/main.ts', { cwd: import.meta.dirname })
  .sort()
  .map((input) => ({
    input: join(import.meta.dirname, input),
    output: {
      file: join(import.meta.dirname, 'dist', `${dirname(input)}.mjs`),
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
    onwarn(warning, warn) {
      // How libraries are written, and nothing that is lost by it.
      if (!['CIRCULAR_DEPENDENCY', 'THIS_IS_UNDEFINED', 'INVALID_ANNOTATION'].includes(warning.code ?? ''))
        warn(warning);
    },
  }));
