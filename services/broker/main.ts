import { NodeConfig } from '#contracts/node-config.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { runService } from '#runtime/service-main.ts';
import { createBroker } from './service.ts';

await runService({
  name: 'broker',
  argv: process.argv.slice(2),
  env: process.env,
  schema: NodeConfig,
  create: ({ config, log }) => createBroker({ config, clock: systemClock(), log }),
});
