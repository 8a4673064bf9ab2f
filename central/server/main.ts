import { ServerConfig } from '#contracts/server-config.ts';
import { runService } from '#runtime/service-main.ts';
import { createServer } from './service.ts';

await runService({
  name: 'central-server',
  argv: process.argv.slice(2),
  env: process.env,
  schema: ServerConfig,
  create: ({ config, log, version }) => createServer({ config, log, version }),
});
