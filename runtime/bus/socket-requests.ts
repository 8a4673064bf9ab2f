import { request } from 'node:http';
import { CommandReply } from '#contracts/commands.ts';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { socketCommandRoute } from '#contracts/routes.ts';

/** A reply is small: a start of a rig with every gate of every camera. */
const REPLY_BYTES_MAX = 1_000_000;

export interface SocketCommand {
  readonly socketPath: string;
  readonly service: string;
  readonly name: string;
  /** The same JSON as on the command topic. */
  readonly payload: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a command through the Unix socket of a service (`command-socket.ts`) and returns its reply. Rejects with `peer_silent` when nobody
 * answers there, or with the signal's reason.
 */
export async function askSocket(command: SocketCommand): Promise<CommandReply> {
  const { socketPath, service, name, payload, timeoutMs, signal } = command;
  const where = `${service}/${name} on ${socketPath}`;
  const limit = AbortSignal.timeout(timeoutMs);
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request(
      {
        socketPath,
        method: 'POST',
        path: socketCommandRoute.replace(':service', service).replace(':name', name),
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      },
      (answer) => {
        let body = '';
        answer
          .setEncoding('utf8')
          .on('data', (part: string) => {
            body += part;
            if (body.length > REPLY_BYTES_MAX) asked.destroy(new Error('the reply is too long'));
          })
          .once('end', () => resolve(body))
          .once('error', reject);
      },
    );
    asked.once('error', reject).end(payload);
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new TouchlineError('peer_silent', `nobody answered ${where}`, {
      cause,
      details: { command: `${service}/${name}`, timeout_ms: timeoutMs },
    });
  });
  return parseOrThrow(CommandReply, parsed(text), 'internal', `the answer to ${where}`);
}

/** Undefined for what is not JSON: the schema then refuses it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
