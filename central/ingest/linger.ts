import type { FastifyReply, FastifyRequest } from 'fastify';

/** How long a sender may go on after it was refused, before its connection is cut. */
const LINGER_MS = 5000;

/**
 * After an answer that came before the end of the request: takes the rest of the body and drops it, for a while. A
 * connection closed with bytes unread is reset, and the sender would lose the answer that tells it why.
 */
export function lingerAfterRefusal(request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request;
  if (raw.complete || raw.destroyed) return;
  reply.raw.once('finish', () => {
    raw.unpipe();
    raw.resume();
    // Once the request is over, the connection may carry another one already: that must not be cut.
    const cut = setTimeout(() => {
      if (!raw.complete) raw.socket.destroy();
    }, LINGER_MS);
    raw.socket.once('close', () => clearTimeout(cut));
    raw.once('end', () => clearTimeout(cut));
  });
}
