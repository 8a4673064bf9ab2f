import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { ensurePrograms, NEEDS } from '../prerequisites.ts';
import { type Shell, say } from '../shell.ts';
import { tapReport } from '../tap-report.ts';

/** Long enough for a file that starts whole systems on a slow machine. */
const FILE_TIMEOUT_SEC = 600;

export function testCommand(shell: Shell): Command {
  return new Command('test')
    .summary('run all tests that need no lab')
    .description(
      'Runs the tests below test/, except test/lab and test/bench. The last line is "N passed, N failed".',
    )
    .argument('[files...]', 'only these test files')
    .option('--jobs <n>', 'files at a time')
    .addHelpText('after', '\nExample:\n  ./touchline test test/unit/runtime/config.test.ts')
    .action(async (files: string[], options: { jobs?: string }) => {
      for (const file of files) checkTestFile(shell, file);
      await ensurePrograms(shell, NEEDS.test);
      const chosen = files.length > 0 ? files : testFiles(shell.root);
      await buildTap(shell);
      const args = [
        'run',
        '--reporter=tap',
        '--no-color',
        '--disable-coverage',
        `--timeout=${FILE_TIMEOUT_SEC}`,
      ];
      if (options.jobs !== undefined) args.push(`--jobs=${options.jobs}`);
      const child = tap(shell, [...args, ...chosen], files.length > 0 ? shell.cwd : shell.root);
      child.stderr.on('data', (chunk: Buffer) => shell.stderr.write(chunk));
      const report = tapReport((line) => shell.stdout.write(`${line}\n`));
      createInterface({ input: child.stdout }).on('line', report.line);
      const [code] = (await once(child, 'close')) as [number | null];
      const counts = report.counts();
      if (counts === undefined)
        throw new TouchlineError('internal', `the test runner ended (${code}) without a summary`);
      shell.stdout.write(`${counts.pass} passed, ${counts.fail} failed\n`);
      if (code !== 0 || counts.fail > 0 || counts.pass === 0)
        shell.exit(code === 0 || code === null ? 1 : code);
    });
}

/** What is named must be a file; the rest tap would only tell as a failure of its own. */
function checkTestFile(shell: Shell, file: string): void {
  const found = statSync(resolve(shell.cwd, file), { throwIfNoEntry: false });
  if (found === undefined) throw new TouchlineError('not_found', `there is no test file ${file}`);
  if (!found.isFile() || !file.endsWith('.test.ts'))
    throw new TouchlineError('invalid_field', `${file} is not a test file: name files that end in .test.ts`, {
      field: 'files',
    });
}

function testFiles(root: string): string[] {
  return globSync('test/**/*.test.ts', { cwd: root, exclude: ['test/lab/**', 'test/bench/**'] }).sort();
}

/**
 * tap generates its Test class from the plugins that package.json names. A fresh install carries the stock one, with
 * the TypeScript plugin that our compiler breaks, and the run that notices it still fails: so it is built before.
 */
async function buildTap(shell: Shell): Promise<void> {
  const generated = join(shell.root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js');
  if (!readFileSync(generated, 'utf8').includes('"@tapjs/typescript"')) return;
  say(shell, 'touchline: preparing the test runner, once …');
  const child = tap(shell, ['build'], shell.root);
  let talk = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (talk += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new TouchlineError('internal', `the test runner could not be prepared (${code}):\n${talk}`);
}

function tap(shell: Shell, args: string[], cwd: string) {
  const bin = join(shell.root, 'node_modules/.bin/tap');
  return spawn(shell.node, [bin, ...args], { cwd, env: { ...shell.env }, stdio: ['ignore', 'pipe', 'pipe'] });
}
