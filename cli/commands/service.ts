import { networkInterfaces } from 'node:os';
import { Command } from 'commander';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { startService } from '#runtime/service-main.ts';
import { builtPages } from '../bundles.ts';
import type { Shell } from '../shell.ts';
import { withConfigOptions } from './config-options.ts';

interface Options {
  config?: string;
  set?: string[];
  logFile?: string;
  untilStdinCloses?: true;
}

export function nodeCommand(shell: Shell): Command {
  return withServiceOptions(new Command('node'))
    .summary('one camera node in this process')
    .description(
      'Runs all services of one camera node in this process: broker, recorder, sync-agent, housekeeper,\n' +
        'network-manager, health, signals, updater, api.\n' +
        'On a device each is a container of its own; the code is the same.',
    )
    .addHelpText('after', '\nExample:\n  ./touchline node --config docs/examples/node.yml')
    .action(async (options: Options) => {
      await builtPages(shell);
      // Only what is run is loaded: the other commands start without the services.
      const { createNode } = await import('../node-process.ts');
      await startService(
        {
          name: 'node',
          env: shell.env,
          schema: NodeConfig,
          create: (parts) => createNode({ ...parts, env: shell.env }),
          listens: ({ api }) => pageAddress('Dashboard', api),
        },
        options,
      );
    });
}

export function serverCommand(shell: Shell): Command {
  return withServiceOptions(new Command('server'))
    .summary('the central server and one worker')
    .description(
      'Receives recordings, keeps sessions, and makes panoramas. A private PostgreSQL server is started unless\n' +
        'database.url names one.',
    )
    .addHelpText('after', '\nExample:\n  ./touchline server --config docs/examples/central.yml')
    .action(async (options: Options) => {
      await builtPages(shell);
      const { createCentral } = await import('../central-process.ts');
      await startService(
        {
          name: 'server',
          env: shell.env,
          schema: ServerConfig,
          create: createCentral,
          listens: ({ server }) => pageAddress('Console', server),
        },
        options,
      );
    });
}

function withServiceOptions(command: Command): Command {
  return withConfigOptions(command)
    .option('--log-file <file>', 'log there instead of stderr')
    .option('--until-stdin-closes', 'end when stdin does: whoever started this is gone');
}

/** Where a browser on this machine finds a page, and one on another when it may. */
export function pageAddress(name: string, { host, port }: { host: string; port: number }): string {
  if (port === 0) return `${name}: on a free port, see http in the log`;
  const everywhere = host === '0.0.0.0' || host === '::';
  const own = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
  const hosts = everywhere ? ['127.0.0.1', ...(own === undefined ? [] : [own])] : [host];
  return `${name}: ${hosts.map((each) => `http://${each.includes(':') ? `[${each}]` : each}:${port}`).join(' and ')}`;
}
