import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fastifyStatic } from '@fastify/static';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { pageRoutes } from '#contracts/routes.ts';
import type { HttpApp } from './http-app.ts';

/** The pages that `./touchline build` makes from `ui/`. */
export type PageName = 'dashboard' | 'console';

/** Only what this server sends is run and shown; nothing is asked of anybody else. `blob:` is how browsers play streamed video. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
} as const;

const YEAR_MS = 31_536_000_000;

/** Where the built page lies: beside the bundle that runs, or in `dist` when the sources run. */
function folderOf(page: PageName): string[] {
  const here = import.meta.dirname;
  // `dist/services/api.mjs`, or in a container's image `/app/api.mjs`.
  if (import.meta.filename.endsWith('.mjs')) return [join(here, '../ui', page), join(here, 'ui', page)];
  return [join(here, '../dist/ui', page)];
}

/**
 * Serves a page at `/` and what it is made of at `/assets`. Assets carry their hash in the name, so they are kept for ever;
 * the page itself is asked for each time. Compressed forms beside the files are sent to whoever takes them.
 * A page that was not built is answered `page_not_built`, and everything else works; it is found as soon as it is there.
 * `folders` is for tests.
 */
export async function servePage(
  app: HttpApp,
  page: PageName,
  folders: readonly string[] = folderOf(page),
): Promise<void> {
  await app.register(fastifyStatic, { serve: false, preCompressed: true });

  const root = async (): Promise<string> => {
    for (const folder of folders) {
      const found = await access(join(folder, 'index.html')).then(
        () => true,
        () => false,
      );
      if (found) return folder;
    }
    throw new TouchlineError('page_not_built', `the ${page} is not there: it was not built`, {
      details: { looked_in: folders },
    });
  };
  const send = async (
    reply: FastifyReply,
    file: string,
    caching: { maxAge: number; immutable: boolean } | { cacheControl: false },
  ): Promise<FastifyReply> => reply.headers(PAGE_HEADERS).sendFile(file, await root(), caching);

  app.get(
    pageRoutes.page,
    { config: { access: 'open' }, schema: { hide: true } },
    async (_request, reply) => {
      reply.header('cache-control', 'no-cache');
      return send(reply, 'index.html', { cacheControl: false });
    },
  );
  app.get(
    pageRoutes.assets,
    { config: { access: 'open' }, schema: { hide: true, params: z.object({ '*': z.string() }) } },
    async (request, reply) =>
      send(reply, `assets/${request.params['*']}`, { maxAge: YEAR_MS, immutable: true }),
  );
}
