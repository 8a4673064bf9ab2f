import { PreviewQuery } from '#contracts/http-node.ts';
import { CAPTURED_AT_HEADER, socketPreviewRoute } from '#contracts/routes.ts';
import { toWireTime } from '#contracts/time.ts';
import { closeHttpApp, createHttpApp, type HttpApp } from '#runtime/http-app.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { listenOnSocket } from '#runtime/unix-socket.ts';
import type { Preview } from './preview.ts';

/** Serves previews to this node's api on a Unix socket: pictures are too large for the bus. */
export function createPreviewSocket(options: {
  readonly path: string;
  readonly preview: Preview;
  readonly log: Logger;
}): Unit {
  const { path, preview, log } = options;
  let app: HttpApp | undefined;
  return {
    async start() {
      app = await createHttpApp({ log });
      app.get(socketPreviewRoute, { schema: { querystring: PreviewQuery } }, async (request, reply) => {
        const { jpeg, capturedUs } = await preview.picture(request.query.width);
        return reply.type('image/jpeg').header(CAPTURED_AT_HEADER, toWireTime(capturedUs)).send(jpeg);
      });
      await listenOnSocket(app, path);
    },
    async stop() {
      if (app) await closeHttpApp(app);
    },
  };
}
