import { ServerConfig } from '#contracts/server-config.ts';
import { runService } from '#runtime/service-main.ts';
import { createWorker } from './service.ts';

await runService({
  name: 'central-worker',
  argv: process.argv.slice(2),
  env: process.env,
  schema: ServerConfig,
  create: ({ config, log }) => createWorker({ config, log }),
});
