import { Command } from 'commander';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { startService } from '#runtime/service-main.ts';
import { builtPages } from '../bundles.ts';
import type { Shell } from '../shell.ts';

interface Options {
  config?: string;
  set: string[];
  logFile?: string;
  untilStdinCloses?: true;
}

export function nodeCommand(shell: Shell): Command {
  return withServiceOptions(new Command('node'))
    .summary('one camera node in this process')
    .description(
      'Runs all services of one camera node in this process: broker, recorder, sync-agent, housekeeper, api.\n' +
        'On a device each is a container of its own; the code is the same.',
    )
    .addHelpText('after', '\nExample:\n  ./touchline node --config node.yml')
    .action(async (options: Options) => {
      await builtPages(shell);
      // Only what is run is loaded: the other commands start without the services.
      const { createNode } = await import('../node-process.ts');
      await startService({ name: 'node', env: shell.env, schema: NodeConfig, create: createNode }, options);
    });
}

export function serverCommand(shell: Shell): Command {
  return withServiceOptions(new Command('server'))
    .summary('the central server and one worker')
    .description(
      'Receives recordings, keeps sessions, and makes panoramas. A private PostgreSQL server is started unless\n' +
        'database.url names one.',
    )
    .action(async (options: Options) => {
      await builtPages(shell);
      const { createCentral } = await import('../central-process.ts');
      await startService(
        { name: 'server', env: shell.env, schema: ServerConfig, create: createCentral },
        options,
      );
    });
}

function withServiceOptions(command: Command): Command {
  return command
    .option('--config <file>', 'YAML configuration')
    .option(
      '--set <key=value>',
      'one value; may be repeated',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--log-file <file>', 'log there instead of stderr')
    .option('--until-stdin-closes', 'end when stdin does: whoever started this is gone');
}
