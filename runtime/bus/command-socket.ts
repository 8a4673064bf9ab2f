import { z } from 'zod';
import { ERRORS } from '#contracts/errors.ts';
import { socketCommandRoute } from '#contracts/routes.ts';

import { closeHttpApp, createHttpApp, type HttpApp } from '../http-app.ts';
import type { Unit } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { listenOnSocket } from '../unix-socket.ts';
import type { CommandExecutor } from './command-executor.ts';

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
      await listenOnSocket(app, path);
    },
    async stop() {
      if (app) await closeHttpApp(app);
    },
  };
}
