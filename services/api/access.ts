import { createHash, timingSafeEqual } from 'node:crypto';
import { fastifyCookie } from '@fastify/cookie';
import type { FastifyRequest } from 'fastify';
import { TouchlineError } from '#contracts/errors.ts';
import { LightView, PinEntry, type Role, SessionView } from '#contracts/http-node.ts';
import { isLoopback, type NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes, RIG_KEY_HEADER } from '#contracts/routes.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import type { Logger } from '#runtime/logger.ts';
import { type Caller, createAttempts } from './attempts.ts';
import { isPin } from './pin.ts';
import { createSessions } from './sessions.ts';

/** How an IPv4 address looks to a server that listens on IPv6 (RFC 4291, section 2.5.5.2). */
const MAPPED = /^::ffff:/;
/** That a browser was let in before; browsers keep no cookie for longer (RFC 6265bis, section 5.5). */
const KNOWN_SEC = 400 * 86_400;

export interface AccessParts {
  readonly config: NodeConfig;
  readonly clock: Clock;
  /** Where wrong PINs are counted. */
  readonly state: Disk;
  readonly log: Logger;
  readonly light: () => LightView;
}

/** Who may do what on this node. */
export interface AccessControl {
  /** What a request may do; undefined without a session. */
  roleOf(request: FastifyRequest): Role | undefined;
}

/**
 * Guards every route that is registered after it. Without a PIN (`loopback`, `trusted-lan`) everybody who can connect is an
 * operator. With `pin`, a route is for viewers when it only reads and for operators otherwise, unless its `config.access` says that
 * it is `open`, or open to this machine alone (`local`).
 */
export async function guardAccess(app: HttpApp, parts: AccessParts): Promise<AccessControl> {
  const { config, clock, state, log, light } = parts;
  const sessions = createSessions(clock);
  const attempts = createAttempts({ state, clock, log });
  // Cookies do not tell ports apart: two nodes on one host would take each other's session.
  const cookie = `touchline_${config.camera_id}`;
  const knownCookie = `${cookie}_known`;
  /** One PIN at a time: Argon2 takes memory and a core on purpose. */
  let turn: Promise<unknown> = Promise.resolve();

  const roleOf = (request: FastifyRequest): Role | undefined => {
    if (config.access !== 'pin') return 'operator';
    const token = request.cookies[cookie];
    const role = token === undefined ? undefined : sessions.roleOf(token);
    if (role) return role;
    const key = request.headers[RIG_KEY_HEADER];
    const known = config.api.rig_key;
    return known !== undefined && typeof key === 'string' && same(key, known) ? 'viewer' : undefined;
  };
  const view = (role: Role | undefined): SessionView => ({ role: role ?? null, access: config.access });

  const enter = async (pin: string, caller: Caller): Promise<{ role: Role; known: string }> => {
    const attempt = await attempts.begin(caller);
    const hashes = { operator: config.api.pin_hash, viewer: config.api.viewer_pin_hash };
    for (const role of attempt.roles) {
      const hash = hashes[role];
      if (hash !== undefined && (await isPin(pin, hash)))
        return { role, known: await attempt.succeeded(role) };
    }
    throw attempt.refusal();
  };

  await app.register(fastifyCookie);
  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config;
    if (access === 'open' || (access === 'local' && isLoopback(addressOf(request)))) return;
    const role = roleOf(request);
    if (!role) throw new TouchlineError('session_required', 'this needs a session: enter the PIN of the rig');
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (role === 'viewer' && !reads)
      throw new TouchlineError('operator_required', 'this session may look, and change nothing');
  });

  app.get(
    nodeRoutes.session,
    {
      config: { access: 'open' },
      schema: { summary: 'What the caller may do here', response: { 200: SessionView } },
    },
    async (request) => view(roleOf(request)),
  );
  app.post(
    nodeRoutes.session,
    {
      config: { access: 'open' },
      schema: {
        summary: 'Open a session with the PIN of the rig',
        body: PinEntry,
        response: { 200: SessionView },
      },
    },
    async (request, reply) => {
      if (config.access !== 'pin') return view(roleOf(request));
      const caller = { address: addressOf(request), token: request.cookies[knownCookie] };
      const entered = turn.then(() => enter(request.body.pin, caller));
      turn = entered.catch(() => undefined);
      const { role, known } = await entered;
      const { token, maxAgeSec } = sessions.open(role);
      const guarded = { path: '/', httpOnly: true, sameSite: 'strict' } as const;
      reply.setCookie(cookie, token, { ...guarded, maxAge: maxAgeSec });
      // Lets nobody in: it only tells this browser from those that guess.
      reply.setCookie(knownCookie, known, { ...guarded, path: nodeRoutes.session, maxAge: KNOWN_SEC });
      return view(role);
    },
  );
  app.delete(
    nodeRoutes.session,
    {
      config: { access: 'open' },
      schema: { summary: 'Close the session', response: { 200: SessionView } },
    },
    async (request, reply) => {
      const token = request.cookies[cookie];
      if (token !== undefined) sessions.close(token);
      reply.clearCookie(cookie, { path: '/' });
      return view(config.access === 'pin' ? undefined : 'operator');
    },
  );
  app.get(
    nodeRoutes.light,
    {
      config: { access: 'open' },
      schema: { summary: 'The rig as a traffic light', response: { 200: LightView } },
    },
    async () => light(),
  );
  return { roleOf };
}

function addressOf(request: FastifyRequest): string {
  return request.ip.replace(MAPPED, '');
}

/** Compares secrets without telling how much of them fits. */
function same(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text).digest());
  return left !== undefined && right !== undefined && timingSafeEqual(left, right);
}
