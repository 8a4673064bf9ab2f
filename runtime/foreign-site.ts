import type { FastifyRequest } from 'fastify';
import { TouchlineError } from '#contracts/errors.ts';
import { isLoopback } from '#contracts/node-config.ts';

const READING = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Refuses what another site makes a visitor's browser do here: every request that could change something and whose `Origin` is
 * not this server. Programs send no `Origin`. Throws `origin_refused`.
 */
export function refuseForeignOrigin(request: FastifyRequest): void {
  if (READING.includes(request.method)) return;
  const { origin } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const foreign =
    (origin !== undefined && hostOf(origin) !== request.headers.host) ||
    (site !== undefined && site !== 'same-origin' && site !== 'none');
  if (foreign)
    throw new TouchlineError(
      'origin_refused',
      `a page of ${origin ?? 'another site'} may change nothing here`,
    );
}

/**
 * Refuses names that are not this machine's own: a page whose name suddenly points at 127.0.0.1 (DNS rebinding) would be the same
 * site as this server otherwise. Throws `host_refused`.
 */
export function refuseForeignHost(request: FastifyRequest): void {
  const { host } = request.headers;
  if (host === undefined) return;
  const name = hostnameOf(host);
  if (name === undefined || !isLoopback(name))
    throw new TouchlineError('host_refused', `this server listens on this machine only, and is not ${host}`);
}

/** `null`, as a page without a site sends it, is no host. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function hostnameOf(host: string): string | undefined {
  if (!URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1');
}
