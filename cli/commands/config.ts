import { Command } from 'commander';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { type ConfigRow, explainInputs } from '#runtime/config-explain.ts';
import type { Shell } from '../shell.ts';
import { withConfigOptions } from './config-options.ts';

interface Options {
  config?: string;
  set?: string[];
  server?: true;
  json?: true;
}

export function configCommand(shell: Shell): Command {
  const explain = withConfigOptions(new Command('explain'))
    .summary('every setting: value, source, meaning')
    .description(
      'Shows every setting of a node (or of central) with its value, where the value came from, and what it is for.\n' +
        'Without a file: all that can be set, the defaults, and what has to be given.\n' +
        'Later sources win: default, file, environment (TOUCHLINE_API__PORT=8090), --set api.port=8090.',
    )
    .option('--server', "the central server's configuration instead of a node's")
    .option('--json', 'one JSON object on stdout')
    .action(({ config: file, set, server, json }: Options) => {
      const inputs = { file, env: shell.env, flags: set };
      const rows = server ? explainInputs(ServerConfig, inputs) : explainInputs(NodeConfig, inputs);
      shell.stdout.write(json ? `${JSON.stringify({ settings: rows })}\n` : explained(rows));
    });
  return new Command('config').summary('look into a configuration').addCommand(explain);
}

function explained(rows: ConfigRow[]): string {
  return rows
    .map(({ path, value, source, where, needed, description }) => {
      const shown =
        value === undefined ? '(not set)' : typeof value === 'string' ? value : JSON.stringify(value);
      const from = source === 'default' ? 'default' : `${source}: ${where}`;
      const head = needed ? `${path}: (needed)\n` : `${path}: ${shown}\n    from ${from}\n`;
      return `${head}${description === '' ? '' : `    ${description}\n`}`;
    })
    .join('');
}
