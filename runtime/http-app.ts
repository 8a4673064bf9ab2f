import type { IncomingMessage, ServerResponse } from 'node:http';
import { fastifySwagger } from '@fastify/swagger';
import {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
  type RawServerDefault,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { type ErrorCode, TouchlineError, toProblem } from '#contracts/errors.ts';
import { commonRoutes, PROBLEM_JSON } from '#contracts/routes.ts';

import { type OwnHosts, refuseForeignHost, refuseForeignOrigin } from './foreign-site.ts';
import type { Logger } from './logger.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who needs no session where sessions are asked for: everybody, or programs on this machine. */
    access?: 'open' | 'local';
  }
}

export type HttpApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface HttpAppOptions {
  readonly log: Logger;
  /** Largest body of an ordinary request; 1 MiB when left out. Streamed uploads have limits of their own. */
  readonly bodyLimitBytes?: number;
  /** Answers to these names alone; to every name when left out, as on a Unix socket. */
  readonly hosts?: OwnHosts;
  /** Serves the OpenAPI document made from the schemas; none when left out. */
  readonly document?: { readonly title: string; readonly version: string };
}

const ONE_MIB = 1_048_576;

/** On every answer: what it is, it is, and no other site may build it into its pages. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

/**
 * An HTTP server whose routes take and give zod schemas, and whose every error is an RFC 9457 problem document
 * with a code of ours. Errors that nobody expected are logged and answered as `internal`, without their text.
 * Add the routes, then `listen`; end it with `closeHttpApp`.
 */
export async function createHttpApp(options: HttpAppOptions): Promise<HttpApp> {
  let closing = false;
  const app = fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    // Requests are not logged: production mode keeps no request log; what fails is logged by the error handler.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimitBytes ?? ONE_MIB,
    forceCloseConnections: 'idle',
    // Answered by the hook below, so that it is a problem document too.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => {
      void answer(error, request as FastifyRequest, reply as unknown as FastifyReply);
    },
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answer);
  app.setNotFoundHandler((request, reply) =>
    answer(
      new TouchlineError('not_found', `there is no ${request.method} ${request.url.split('?')[0]}`),
      request,
      reply,
    ),
  );
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (closing) throw new TouchlineError('shutting_down', 'the service is stopping');
    if (options.hosts) refuseForeignHost(request, options.hosts);
    refuseForeignOrigin(request);
  });

  if (options.document) {
    await app.register(fastifySwagger, {
      openapi: { openapi: '3.1.0', info: { ...options.document } },
      transform: jsonSchemaTransform,
    });
    app.get(commonRoutes.openapi, { schema: { hide: true } }, async () => app.swagger());
  }
  return app;
}

/** Stops listening, lets running requests end for `graceMs`, then cuts what is left. */
export async function closeHttpApp(app: HttpApp, graceMs = 2000): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await app.close();
  } finally {
    clearTimeout(cut);
  }
}

/** TCP port of a server that listens on one. Throws `internal` when it does not. */
export function portOf(app: HttpApp): number {
  const address = app.server.address();
  if (address === null || typeof address === 'string')
    throw new TouchlineError('internal', 'the HTTP server does not listen on a TCP port');
  return address.port;
}

function answer(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toTouchlineError(error);
  if (known.code === 'internal') request.log.error({ err: error, url: request.url }, 'request failed');
  else if (known.status >= 500)
    request.log.warn({ err: known, url: request.url }, `request refused: ${known.message}`);
  const problem = toProblem(known);
  const wait = known.code === 'rate_limited' ? known.details?.retry_after_sec : undefined;
  if (typeof wait === 'number') reply.header('retry-after', wait);
  // Serialized here: the route's own response schemas do not describe errors.
  return reply
    .code(problem.status)
    .type(PROBLEM_JSON)
    .serializer((body: unknown) => String(body))
    .send(JSON.stringify(problem));
}

/** What the HTTP library throws, in our codes. */
const LIBRARY_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_json',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported_media_type',
  FST_ERR_BAD_URL: 'not_found',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'unsupported_media_type',
  FST_REQ_FILE_TOO_LARGE: 'payload_too_large',
};

function toTouchlineError(error: unknown): TouchlineError {
  if (error instanceof TouchlineError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const issues = error.validation.map((issue) => ({
      field: issue.instancePath.split('/').filter(Boolean).join('.'),
      reason: issue.message ?? 'is invalid',
    }));
    const first = issues[0] ?? { field: '', reason: 'is invalid' };
    const where = (error as { validationContext?: string }).validationContext ?? 'body';
    return new TouchlineError(
      'invalid_field',
      first.field === '' ? `${where}: ${first.reason}` : `${first.field}: ${first.reason}`,
      { field: first.field === '' ? where : first.field, details: { issues } },
    );
  }
  const { code, statusCode, message } = (error ?? {}) as Partial<FastifyError>;
  const mapped = code === undefined ? undefined : LIBRARY_CODES[code];
  if (mapped) return new TouchlineError(mapped, message ?? mapped, { cause: error });
  if (error instanceof SyntaxError && statusCode === 400)
    return new TouchlineError('invalid_json', error.message, { cause: error });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new TouchlineError('invalid_field', message ?? 'the request cannot be understood', {
      cause: error,
    });
  return new TouchlineError('internal', 'something went wrong that should not have; the log has it', {
    cause: error,
  });
}
