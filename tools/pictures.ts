import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Takes the pictures of the README from the last run of `test/system/dashboard.test.ts` and `console.test.ts`, which leave them in
 * `dist/pictures`: `./touchline test test/system/dashboard.test.ts test/system/console.test.ts && node tools/pictures.ts`.
 */
const ROOT = join(import.meta.dirname, '..');
const TAKEN = ['dashboard-phone', 'dashboard-desk', 'console-session', 'console-panorama'];

const missing = TAKEN.filter((name) => !existsSync(join(ROOT, 'dist/pictures', `${name}.png`)));
if (missing.length > 0) {
  process.stderr.write(
    `No picture of ${missing.join(', ')}: run ./touchline test test/system/dashboard.test.ts test/system/console.test.ts first.\n`,
  );
  process.exitCode = 1;
} else
  for (const name of TAKEN)
    copyFileSync(join(ROOT, 'dist/pictures', `${name}.png`), join(ROOT, 'docs/pictures', `${name}.png`));
