import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Command } from 'commander';
import { type Shell, say } from '../shell.ts';

const CHECKS = [
  { name: 'biome', args: ['check', '--error-on-warnings', '.'] },
  { name: 'tsc', args: ['-p', '.'] },
  { name: 'tsc', args: ['-p', 'ui'] },
  { name: 'knip', args: [] },
] as const;

export function checkCommand(shell: Shell): Command {
  return new Command('check')
    .summary('lint, format, types, unused code')
    .description(
      'Runs biome, tsc and knip over the whole tree; all three, also when the first finds something.',
    )
    .action(async () => {
      const failed: string[] = [];
      for (const { name, args } of CHECKS) {
        say(shell, `touchline: ${[name, ...args].join(' ')} …`);
        const child = spawn(join(shell.root, 'node_modules/.bin', name), args, {
          cwd: shell.root,
          env: { ...shell.env },
          stdio: 'inherit',
        });
        const [code] = (await once(child, 'close')) as [number | null];
        if (code !== 0) failed.push(name);
      }
      say(
        shell,
        failed.length === 0 ? 'touchline: all clean' : `touchline: ${failed.join(', ')} found something`,
      );
      if (failed.length > 0) shell.exit(1);
    });
}
