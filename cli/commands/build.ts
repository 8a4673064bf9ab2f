import { Command } from 'commander';
import { buildBundles } from '../bundles.ts';
import type { Shell } from '../shell.ts';

export function buildCommand(shell: Shell): Command {
  return new Command('build')
    .summary('bundle each service into one file, in dist/')
    .description('Builds dist/services/NAME.mjs and dist/central/NAME.mjs: what the container images carry.')
    .action(() => buildBundles(shell));
}
