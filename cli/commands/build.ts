import { Command } from 'commander';
import { buildBundles } from '../bundles.ts';
import type { Shell } from '../shell.ts';

export function buildCommand(shell: Shell): Command {
  return new Command('build')
    .summary('bundle services and pages, in dist/')
    .description(
      'Builds what the container images carry: dist/services/NAME.mjs and dist/central/NAME.mjs, one file for each service, and\n' +
        'the pages in dist/ui/dashboard and dist/ui/console. Other commands build what they need by themselves.',
    )
    .action(() => buildBundles(shell));
}
