import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { CAPTURED_AT_HEADER, RIG_KEY_HEADER } from '#contracts/routes.ts';
import type { NodeStatus } from '#contracts/states.ts';
import type { RigPeers } from '#runtime/rig-peers.ts';
import { ask, type Upstream } from './upstream.ts';

/** A preview may have to open a camera first. */
const PEER_LIMIT_MS = 10_000;

/** What a question takes along to another node, and what its answer brings back. Cookies and names of hosts stay here. */
const HEADERS_THERE = ['accept', 'range', 'if-range', 'if-none-match', 'if-modified-since'] as const;
const HEADERS_BACK = [
  'content-type',
  'content-length',
  'content-range',
  'accept-ranges',
  'cache-control',
  'etag',
  'last-modified',
  CAPTURED_AT_HEADER,
] as const;

/** The other nodes of the rig, for reading only. */
export interface Peers {
  /** Answers with what the node of that camera answers to `path`. Throws `not_found`, or `peer_silent` with the reason. */
  forward(
    cameraId: CameraId,
    path: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply>;
}

export function createPeers(
  config: NodeConfig,
  rig: Pick<RigPeers, 'addressOf'>,
  statuses: ReadonlyMap<CameraId, NodeStatus>,
): Peers {
  const addressOf = (cameraId: CameraId): Upstream => {
    const peer = rig.addressOf(cameraId);
    if (!peer) throw new TouchlineError('not_found', `this node knows no address of a camera ${cameraId}`);
    const port = statuses.get(cameraId)?.api_port ?? peer.api_port;
    if (port === undefined) throw silent(cameraId, 'it has not said where it serves HTTP');
    return { host: peer.host, port };
  };

  return {
    async forward(cameraId, path, request, reply) {
      const upstream = addressOf(cameraId);
      let answer: IncomingMessage;
      try {
        answer = await ask(upstream, {
          path,
          // The routes are for reading; a GET for a mere HEAD would bring the whole film here, for nobody.
          method: request.method === 'HEAD' ? 'HEAD' : 'GET',
          headers: {
            ...picked(request.headers, HEADERS_THERE),
            ...(config.api.rig_key === undefined ? {} : { [RIG_KEY_HEADER]: config.api.rig_key }),
          },
          limitMs: PEER_LIMIT_MS,
        });
      } catch (cause) {
        throw silent(cameraId, cause instanceof Error ? cause.message : String(cause), cause);
      }
      return reply
        .code(answer.statusCode ?? 502)
        .headers(picked(answer.headers, HEADERS_BACK))
        .send(answer);
    },
  };
}

function picked(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (typeof value === 'string') found[name] = value;
  }
  return found;
}

function silent(cameraId: CameraId, why: string, cause?: unknown): TouchlineError {
  return new TouchlineError('peer_silent', `${cameraId} does not answer: ${why}`, { cause });
}
