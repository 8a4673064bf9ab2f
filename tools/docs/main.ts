import { staleDocuments, writeDocuments } from './documents.ts';

/** Without arguments it writes the generated documents; with `--check` it names those that are out of date. */
if (process.argv.includes('--check')) {
  const stale = await staleDocuments();
  for (const path of stale) process.stdout.write(`${path}\n`);
  if (stale.length > 0) {
    process.stderr.write('out of date: run `node tools/docs/main.ts` and commit what it writes\n');
    process.exitCode = 1;
  }
} else process.stdout.write(`${await writeDocuments()} documents written below docs/\n`);
