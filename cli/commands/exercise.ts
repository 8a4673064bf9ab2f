import { randomInt } from 'node:crypto';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { ensurePrograms, NEEDS } from '../prerequisites.ts';
import { type Shell, say } from '../shell.ts';

/** What a file in `test/bench` or `test/lab` exports. */
interface Exercise {
  /** One line: what is measured or shown. */
  readonly about: string;
  /** Figures by name. Rejects when what it shows does not hold. */
  run(options: ExerciseOptions): Promise<Record<string, unknown>>;
}

interface ExerciseOptions {
  /** How often, where chance is part of it; the exercise's own number when left out. */
  readonly rounds?: number;
  /** Everything random comes from this number. */
  readonly seed: number;
  readonly log: (line: string) => void;
}

const MAX_SEED = 2 ** 31;

/** `bench` and `lab`: the same thing on different folders. */
export function exerciseCommand(
  shell: Shell,
  kind: 'bench' | 'lab',
  summary: string,
  description: string,
): Command {
  const folder = join(shell.root, 'test', kind);
  const none = exercises(folder).length === 0;
  return new Command(kind)
    .summary(none ? `${summary} (there is nothing yet)` : summary)
    .description(none ? `${description}\nThere is nothing in test/${kind} yet.` : description)
    .argument('[name]', 'which one, or "all"; left out: list what there is')
    .option('--rounds <n>', 'how often, where chance is part of it', wholeNumber)
    .option('--seed <n>', 'repeat the run that printed this seed', wholeNumber)
    .option('--json', 'one JSON object with the figures on stdout')
    .action(async (name: string | undefined, options: { rounds?: number; seed?: number; json?: true }) => {
      const names = exercises(folder);
      if (name === undefined) {
        await list(shell, kind, folder, names, options.json === true);
        return;
      }
      const chosen = name === 'all' ? names : names.filter((each) => each === name);
      if (chosen.length === 0)
        throw new TouchlineError(
          'not_found',
          names.length === 0
            ? `there is nothing in test/${kind} yet`
            : `no ${kind} is called ${name}; there are: ${names.join(', ')}`,
          { remedy: `\`./touchline ${kind}\` lists what there is.` },
        );
      await ensurePrograms(shell, NEEDS.bench);
      const seed = options.seed ?? randomInt(MAX_SEED);
      say(shell, `seed ${seed}`);
      const results: Record<string, unknown> = {};
      const failed: string[] = [];
      for (const each of chosen) {
        say(shell, `${each} …`);
        const exercise = await load(folder, each);
        const before = performance.now();
        try {
          const figures = await exercise.run({
            seed,
            log: (line) => say(shell, `  ${line}`),
            ...(options.rounds === undefined ? {} : { rounds: options.rounds }),
          });
          results[each] = { ok: true, seconds: seconds(before), ...figures };
        } catch (error) {
          failed.push(each);
          const reason = error instanceof Error ? error.message : String(error);
          results[each] = { ok: false, seconds: seconds(before), reason };
          say(shell, `${each} failed: ${error instanceof Error ? (error.stack ?? reason) : reason}`);
        }
      }
      const report = {
        [kind]: results,
        seed,
        ...(options.rounds === undefined ? {} : { rounds: options.rounds }),
      };
      shell.stdout.write(options.json ? `${JSON.stringify(report)}\n` : `${table(results)}\n`);
      if (failed.length > 0) shell.exit(1);
    });
}

function exercises(folder: string): string[] {
  return globSync('*.ts', { cwd: folder, exclude: ['*.test.ts'] })
    .map((file) => basename(file, '.ts'))
    .sort();
}

async function list(
  shell: Shell,
  kind: string,
  folder: string,
  names: string[],
  json: boolean,
): Promise<void> {
  const rows = await Promise.all(
    names.map(async (name) => ({ name, about: (await load(folder, name)).about })),
  );
  if (json) shell.stdout.write(`${JSON.stringify({ [kind]: rows })}\n`);
  else if (rows.length === 0) shell.stdout.write(`There is nothing in test/${kind} yet.\n`);
  else {
    const width = Math.max(...rows.map(({ name }) => name.length));
    for (const { name, about } of rows) shell.stdout.write(`${name.padEnd(width)}  ${about}\n`);
    shell.stdout.write(`\nRun one: ./touchline ${kind} NAME, or all: ./touchline ${kind} all\n`);
  }
}

async function load(folder: string, name: string): Promise<Exercise> {
  const module = (await import(pathToFileURL(join(folder, `${name}.ts`)).href)) as Partial<Exercise>;
  if (typeof module.about !== 'string' || typeof module.run !== 'function')
    throw new TouchlineError('internal', `${name}.ts does not export about and run`);
  return { about: module.about, run: module.run };
}

function table(results: Record<string, unknown>): string {
  return Object.entries(results)
    .map(([name, figures]) => {
      const rows = Object.entries(figures as Record<string, unknown>);
      const width = Math.max(...rows.map(([key]) => key.length));
      const lines = rows.map(([key, value]) => {
        const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
        return `  ${key.padEnd(width)}  ${text}`;
      });
      return [name, ...lines].join('\n');
    })
    .join('\n\n');
}

function seconds(beforeMs: number): number {
  return Math.round(performance.now() - beforeMs) / 1000;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= MAX_SEED)
    throw new InvalidArgumentError('must be a whole number.');
  return value;
}
