import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { TouchlineError } from '#contracts/errors.ts';
import { isLoopback } from '#contracts/node-config.ts';

/** By which names a server may be called. */
export interface OwnHosts {
  /** It listens on this machine alone. */
  readonly loopbackOnly: boolean;
  /** Names beyond those that are its own anyway, in lower case. */
  readonly names: readonly string[];
}

/** Names that no registry sells: RFC 6762, RFC 8375, ICANN's reservation for private use, and what many routers use. */
const LOCAL_ENDINGS = ['.local', '.home.arpa', '.internal', '.lan'];
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
 * Refuses names that others can own: a page whose name suddenly points here (DNS rebinding) would be the same site as this server
 * otherwise. Addresses are no names, and nobody on the Internet owns one without a dot or below the endings of local networks. A
 * program that changes something (an upload, a start) sends no `Origin`, as every browser does, and may use any name. A server on
 * loopback has the names of the machine alone. Throws `host_refused`.
 */
export function refuseForeignHost(request: FastifyRequest, { loopbackOnly, names }: OwnHosts): void {
  const { host, origin } = request.headers;
  if (host === undefined) return;
  if (!loopbackOnly && origin === undefined && !READING.includes(request.method)) return;
  const name = hostnameOf(host);
  if (name !== undefined && names.includes(name)) return;
  const own = loopbackOnly ? isLoopback : isLocalName;
  if (name === undefined || !own(name))
    throw new TouchlineError(
      'host_refused',
      loopbackOnly
        ? `this server listens on this machine only, and is not ${host}`
        : `this server has an address and names of its own, and is not ${host}`,
    );
}

function isLocalName(name: string): boolean {
  return isIP(name) !== 0 || !name.includes('.') || LOCAL_ENDINGS.some((ending) => name.endsWith(ending));
}

/** `null`, as a page without a site sends it, is no host. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/** In lower case, without port, brackets and the dot that may end a name. */
function hostnameOf(host: string): string | undefined {
  if (!URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}
