import { createHash } from 'node:crypto';
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { type FeedRelease, feedRoutes } from '#contracts/release.ts';
import { compareVersions } from '#domain/release/version.ts';
import { SIGNATURE_FILE } from '#ota/format/names.ts';
import { closeHttpApp, createHttpApp, type HttpApp, portOf } from '#runtime/http-app.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import { listen } from '#runtime/listen.ts';
import type { Logger } from '#runtime/logger.ts';
import { sendFile } from '#runtime/send-file.ts';
import { publishedIn } from './publish.ts';

const Repository = z.object({ owner: z.string(), repo: z.string() });
const Tagged = Repository.extend({ tag: z.string() });
const Asset = Tagged.extend({ name: z.string() });

interface Offered {
  readonly folder: string;
  readonly version: string;
  readonly counter: number;
  readonly release: Omit<FeedRelease, 'assets'> & {
    readonly name: string;
    readonly published_at: string;
    readonly assets: readonly {
      readonly name: string;
      readonly size: number;
      readonly content_type: string;
      readonly browser_download_url: string;
    }[];
  };
}

/**
 * Serves a folder of releases, or of folders of releases, in the shape of GitHub's REST (2022-11-28): the same address and the same
 * channel work with both. Every owner and repository is answered. Releases that are not signed are not offered. The folder is read at
 * each request.
 */
export function createReleaseServer(options: {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly log: Logger;
}): Unit & { address(): string } {
  let app: HttpApp | undefined;
  let address = '';

  const offered = (request: FastifyRequest, { owner, repo }: z.infer<typeof Repository>): Offered[] =>
    releaseFolders(options.folder)
      .map((folder) => offeredIn(folder, `${request.protocol}://${request.host}/${owner}/${repo}`))
      .filter((each) => each !== undefined)
      .sort((a, b) => b.counter - a.counter || compareVersions(b.version, a.version));

  return {
    address: () => address,
    async start() {
      app = await createHttpApp({ log: options.log });
      app.get(feedRoutes.list, { schema: { params: Repository } }, async (request, reply) =>
        answer(
          request,
          reply,
          offered(request, request.params).map(({ release }) => release),
        ),
      );
      app.get(feedRoutes.latest, { schema: { params: Repository } }, async (request, reply) => {
        const newest = offered(request, request.params).find(({ release }) => !release.prerelease);
        if (newest === undefined) throw new TouchlineError('not_found', 'there is no release yet');
        return answer(request, reply, newest.release);
      });
      app.get(feedRoutes.byTag, { schema: { params: Tagged } }, async (request, reply) =>
        answer(request, reply, tagged(offered(request, request.params), request.params.tag).release),
      );
      app.get(feedRoutes.asset, { schema: { params: Asset } }, async (request, reply) => {
        const { tag, name } = request.params;
        const { folder, release } = tagged(offered(request, request.params), tag);
        const asset = release.assets.find((each) => each.name === name);
        if (asset === undefined) throw new TouchlineError('not_found', `release ${tag} has no file ${name}`);
        const { mtimeMs, size, ino } = statSync(join(folder, name));
        const tag16 = createHash('sha256').update(`${ino} ${mtimeMs} ${size}`).digest('hex').slice(0, 16);
        return sendFile(request, reply, { path: join(folder, name), tag: tag16, name, download: true });
      });
      const url = new URL(await listen(app, options, '--'));
      url.port = String(portOf(app));
      address = url.origin;
    },
    async stop() {
      if (app !== undefined) await closeHttpApp(app);
    },
  };
}

function releaseFolders(folder: string): string[] {
  return [folder, ...globSync('*/', { cwd: folder }).map((name) => join(folder, name))];
}

function offeredIn(folder: string, base: string): Offered | undefined {
  const manifest = publishedIn(folder);
  const signed = statSync(join(folder, SIGNATURE_FILE), { throwIfNoEntry: false }) !== undefined;
  if (manifest === undefined || !signed) return undefined;
  const tag = `v${manifest.version}`;
  const names = globSync('*', { cwd: folder }).filter((name) => statSync(join(folder, name)).isFile());
  return {
    folder,
    version: manifest.version,
    counter: manifest.counter,
    release: {
      tag_name: tag,
      name: manifest.version,
      draft: false,
      prerelease: manifest.version.includes('-'),
      published_at: manifest.released_at,
      assets: names.sort().map((name) => ({
        name,
        size: statSync(join(folder, name)).size,
        content_type: name.endsWith('.gz') ? 'application/gzip' : 'application/octet-stream',
        browser_download_url: `${base}/releases/download/${tag}/${name}`,
      })),
    },
  };
}

function tagged(offered: readonly Offered[], tag: string): Offered {
  const found = offered.find(({ release }) => release.tag_name === tag);
  if (found === undefined) throw new TouchlineError('not_found', `there is no release ${tag}`);
  return found;
}

/** With an entity tag, so that who asks again is told that nothing changed. */
function answer(request: FastifyRequest, reply: FastifyReply, value: unknown): FastifyReply {
  const text = JSON.stringify(value);
  const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`;
  reply.header('etag', etag);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply
    .type('application/json')
    .serializer((body: unknown) => String(body))
    .send(text);
}
