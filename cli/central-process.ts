import { createServer } from '#central/server/service.ts';
import { createWorker } from '#central/worker/service.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** The central server and one worker in this process; more workers are processes of their own. */
export function createCentral(parts: { config: ServerConfig; log: Logger; version: string }): Unit {
  const { config, log, version } = parts;
  return group(
    createServer({ config, log: log.child({ service: 'server' }), version }),
    createWorker({ config, log: log.child({ service: 'worker' }) }),
  );
}
