import { Command } from 'commander';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { type ConfigRow, explainConfig, loadConfig } from '#runtime/config.ts';
import type { Shell } from '../shell.ts';

interface Options {
  config?: string;
  set: string[];
  server?: true;
  json?: true;
}

export function configCommand(shell: Shell): Command {
  const explain = new Command('explain')
    .summary('every setting: value, source, meaning')
    .description(
      'Shows every setting of a node (or of central) with its value, where the value came from, and what it is for.\n' +
        'Later sources win: default, file, environment (TOUCHLINE_API__PORT=8090), --set api.port=8090.',
    )
    .option('--config <file>', 'YAML configuration')
    .option(
      '--set <key=value>',
      'one value; may be repeated',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--server', "the central server's configuration instead of a node's")
    .option('--json', 'one JSON object on stdout')
    .action(({ config: file, set, server, json }: Options) => {
      const inputs = { file, env: shell.env, flags: set };
      const rows = server
        ? explainConfig(ServerConfig, loadConfig(ServerConfig, inputs))
        : explainConfig(NodeConfig, loadConfig(NodeConfig, inputs));
      shell.stdout.write(json ? `${JSON.stringify({ settings: rows })}\n` : explained(rows));
    });
  return new Command('config').summary('look into a configuration').addCommand(explain);
}

function explained(rows: ConfigRow[]): string {
  return rows
    .map(({ path, value, source, where, description }) => {
      const shown =
        value === undefined ? '(not set)' : typeof value === 'string' ? value : JSON.stringify(value);
      const from = source === 'default' ? 'default' : `${source}: ${where}`;
      return `${path}: ${shown}\n    from ${from}\n${description === '' ? '' : `    ${description}\n`}`;
    })
    .join('');
}
