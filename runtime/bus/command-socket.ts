import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ERRORS, TouchlineError } from '#contracts/errors.ts';
import { socketCommandRoute } from '#contracts/routes.ts';

import { closeHttpApp, createHttpApp, type HttpApp } from '../http-app.ts';
import type { Unit } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { CommandExecutor } from './command-executor.ts';

/** `sun_path` in linux/un.h holds 108 bytes with the closing zero. */
const LONGEST_PATH = 107;

/**
 * The door that works without a broker: `POST /cmd/{service}/{name}` on a Unix socket takes the same JSON as the
 * command topic and answers the same reply, an error with its HTTP status. Open to owner and group.
 */
export function createCommandSocket(options: {
  readonly path: string;
  readonly executor: CommandExecutor;
  readonly log: Logger;
}): Unit {
  const { path, executor, log } = options;
  let app: HttpApp | undefined;
  return {
    async start() {
      if (Buffer.byteLength(path) > LONGEST_PATH)
        throw new TouchlineError(
          'configuration_invalid',
          `the socket path ${path} has more than ${LONGEST_PATH} bytes`,
          {
            field: 'runtime_dir',
          },
        );
      await mkdir(dirname(path), { recursive: true });
      await removeStale(path);
      app = await createHttpApp({ log });
      // The executor reads the text itself, so that both doors refuse alike.
      app.removeAllContentTypeParsers();
      app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
      app.post(
        socketCommandRoute,
        { schema: { params: z.object({ service: z.string(), name: z.string() }) } },
        async (request, reply) => {
          const answer = await executor.execute({
            ...request.params,
            payload: typeof request.body === 'string' ? request.body : '',
            retained: false,
            rigWide: false,
          });
          return reply.code(answer.ok ? 200 : ERRORS[answer.error.code].status).send(answer);
        },
      );
      await app.listen({ path });
      await chmod(path, 0o660);
    },
    async stop() {
      if (app) await closeHttpApp(app);
    },
  };
}

/** A killed program leaves its socket file behind. One that still answers belongs to somebody: `conflict`. */
async function removeStale(path: string): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (alive)
    throw new TouchlineError('conflict', `another program already answers on ${path}; stop it first`);
  await rm(path, { force: true });
}
