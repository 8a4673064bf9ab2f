import { globSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { checkFile, LAYERS } from './rules.ts';

t.test('the tree keeps the rules of docs/architecture.md', (t: Test) => {
  const files = globSync(`{${LAYERS.join(',')}}/**/*.{ts,tsx,mjs}`).sort();
  t.ok(files.length > 30, 'the tree was found');
  const violations = files.flatMap((file) => checkFile(file, readFileSync(file, 'utf8')));
  t.same(
    violations.map(({ rule, where, what }) => `${where}: ${rule}: ${what}`),
    [],
  );
  t.end();
});

t.test('each rule finds what breaks it', (t: Test) => {
  const cases: [rule: string, path: string, source: string][] = [
    ['parses', 'domain/a.ts', 'export const = 1'],
    ['kebab-case', 'domain/someThing.ts', ''],
    ['no-drawers', 'services/api/utils/a.ts', ''],
    ['file-size', 'domain/a.ts', 'export {};\n'.repeat(401)],
    ['main-size', 'services/api/main.ts', '// line\n'.repeat(41)],
    ['unit-boundary', 'services/api/a.ts', "import { b } from '../recorder/b.ts';"],
    ['unit-boundary', 'ports/clock/a.ts', "export { b } from '../disk/b.ts';"],
    ['unit-boundary', 'domain/session/a.ts', "import type { B } from '../../contracts/b.ts';"],
    ['unit-boundary', 'domain/a.ts', "const b = await import('../runtime/b.ts');"],
    ['unit-boundary', 'central/ingest/a.ts', "import { b } from '../jobs/b.ts';"],
    ['unit-boundary', 'central/worker/a.ts', "import { b } from '../server/b.ts';"],
    ['unit-boundary', 'runtime/a.ts', "import { b } from '../cli/b.ts';"],
    ['unit-boundary', 'test/unit/a.ts', "import { b } from '../../domain/b.ts';"],
    ['extension', 'domain/a.ts', "import { b } from './b';"],
    ['layer-boundary', 'contracts/a.ts', "import { b } from '#domain/b.ts';"],
    ['layer-boundary', 'domain/a.ts', "import type { B } from '#ports/clock/clock.ts';"],
    ['layer-boundary', 'ports/clock/a.ts', "import { b } from '#runtime/logger.ts';"],
    ['layer-boundary', 'runtime/a.ts', "export * from '#services/api/service.ts';"],
    ['layer-boundary', 'services/api/a.ts', "const b = import('#services/recorder/service.ts');"],
    ['layer-boundary', 'central/server/a.ts', "import { b } from '#central/ingest/b.ts';"],
    ['layer-boundary', 'ui/a.ts', "import { b } from '#runtime/b.ts';"],
    ['layer-boundary', 'services/api/a.ts', "import manifest from '#package' with { type: 'json' };"],
    ['node-prefix', 'runtime/a.ts', "import { join } from 'path';"],
    ['pure', 'domain/a.ts', "import { readFileSync } from 'node:fs';"],
    ['pure', 'contracts/a.ts', "import { ulid } from 'ulid';"],
    ['pure', 'domain/a.ts', 'export const a = () => Date.now();'],
    ['pure', 'domain/a.ts', 'export const a = new Date();'],
    ['pure', 'domain/a.ts', 'export const a = Math.random();'],
    ['pure', 'domain/a.ts', 'setTimeout(() => 1, 1);'],
    ['pure', 'domain/a.ts', 'export const a = process.pid;'],
    ['pure', 'contracts/a.ts', 'export const a = { process };'],
    ['process-access', 'services/api/service.ts', 'export const a = process.env.HOME;'],
    ['process-access', 'services/api/service.ts', "export const a = process['argv'];"],
    ['process-access', 'cli/program.ts', "import { env } from 'node:process';"],
    ['no-exit', 'services/api/main.ts', 'process.exit(1);'],
    ['named-exports', 'runtime/a.ts', 'export default 1;'],
    ['no-wire-literals', 'services/api/a.ts', "export const a = 'touchline/demo/x';"],
    ['no-wire-literals', 'services/api/a.ts', 'export const a = `touchline/$'.concat('{rig}`;')],
    ['no-wire-literals', 'cli/a.ts', "export const a = 'http://x/api/v1/status';"],
  ];
  for (const [rule, path, source] of cases)
    t.same(
      [...new Set(checkFile(path, source).map((violation) => violation.rule))],
      [rule],
      `${rule}: ${path}: ${source.slice(0, 60)}`,
    );
  t.end();
});

t.test('what is allowed is not found', (t: Test) => {
  const cases: [path: string, source: string][] = [
    [
      'domain/session/a.ts',
      "import { z } from 'zod';\nimport { b } from '../gates/b.ts';\nimport type { C } from '#contracts/c.ts';",
    ],
    ['domain/a.ts', 'export const a = (at: number) => ({ process: new Date(at), b: x.process.setTimeout });'],
    ['ports/camera/a.ts', "import { spawn } from 'node:child_process';\nimport { p } from '#domain/p.ts';"],
    ['services/api/main.ts', 'process.exitCode = Number(process.env.A ?? process.argv[2]);'],
    ['central/server/a.ts', "import { b } from '../ingest/b.ts';"],
    ['contracts/a.ts', "export const a = '/api/v1/status';"],
    ['test/unit/cli/a.test.ts', "import { b } from '../../../cli/b.ts';\nconst c = '/api/v1/status';"],
    [
      'cli/node-process.ts',
      "import { createApi } from '#services/api/service.ts';\nconst d = '/run/touchline/x';",
    ],
  ];
  for (const [path, source] of cases) t.same(checkFile(path, source), [], path);
  t.end();
});
