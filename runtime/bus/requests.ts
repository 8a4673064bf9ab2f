import { ulid } from 'ulid';
import {
  COMMANDS,
  type CommandInput,
  type CommandKey,
  CommandReply,
  type CommandResult,
} from '#contracts/commands.ts';
import { fromWireError, parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { CameraId, RigId } from '#contracts/ids.ts';
import { filters, topics } from '#contracts/topics.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Logger } from '../logger.ts';
import type { RequestOptions } from './bus.ts';
import type { Messages } from './late-connection.ts';
import { askSocket } from './socket-requests.ts';

export interface Requests {
  send<K extends CommandKey>(
    node: CameraId,
    command: K,
    input: CommandInput<K>,
    options: RequestOptions,
  ): Promise<CommandResult<K>>;
}

/**
 * Sends commands and waits for their replies. A command carries no `expires_at`: before the rig's clocks agree it
 * could refuse a start, and no link or broker keeps a command for later anyway. While the broker is away, services of the own node are asked
 * on their Unix sockets.
 */
export function createRequests(parts: {
  readonly rig: RigId;
  readonly issuedBy: string;
  readonly connection: Messages;
  readonly connected: () => boolean;
  /** Calls when the connection comes or goes, until the returned function is called. */
  readonly onConnected: (listener: (connected: boolean) => void) => () => void;
  /** Unix socket of a service of the own node, for when the broker is away. */
  readonly socketOf?: ((node: CameraId, service: string) => string | undefined) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}): Requests {
  const { rig, connection, connected, clock, log } = parts;
  const waiting = new Map<string, Set<(reply: CommandReply) => void>>();
  const listening = new Map<CameraId, Promise<unknown>>();

  const receive = (topic: string, payload: string): void => {
    const waiters = waiting.get(topic);
    if (!waiters) return;
    let reply: CommandReply;
    try {
      reply = CommandReply.parse(JSON.parse(payload));
    } catch (error) {
      log.warn({ err: error, topic }, 'a reply does not follow the contract and is dropped');
      return;
    }
    for (const waiter of [...waiters]) waiter(reply);
  };

  const listen = (node: CameraId): Promise<unknown> => {
    const known = listening.get(node);
    if (known !== undefined) return known;
    const made = connection.subscribe(filters.replies(rig, node), ({ topic, payload }) =>
      receive(topic, payload),
    );
    listening.set(node, made);
    return made;
  };

  const overBroker = async (
    node: CameraId,
    command: CommandKey,
    id: string,
    payload: string,
    options: RequestOptions,
  ): Promise<CommandReply> => {
    const { service, name } = COMMANDS[command];
    const topic = topics.reply(rig, node, id);
    await listen(node);

    const end = new AbortController();
    const stop = options.signal ? AbortSignal.any([options.signal, end.signal]) : end.signal;
    let take: (reply: CommandReply) => void = () => undefined;
    const answered = new Promise<CommandReply>((resolve) => {
      take = resolve;
    });
    waiting.set(topic, (waiting.get(topic) ?? new Set()).add(take));
    const silent = clock
      .sleepUntil(clock.monoUs() + options.timeoutMs * 1000, `reply of ${node} to ${service}/${name}`, stop)
      .then(() => {
        throw new TouchlineError(
          'peer_silent',
          `${node} did not answer ${service}/${name} within ${options.timeoutMs} ms`,
          { details: { node, command: `${service}/${name}`, timeout_ms: options.timeoutMs } },
        );
      });
    const published = connection.publish(topics.command(rig, node, command), payload, { retain: false });
    try {
      // The reply may be here before the acknowledgement: only a refused publish decides by itself.
      return await Promise.race([answered, silent, published.then(() => answered)]);
    } finally {
      end.abort();
      silent.catch(() => undefined);
      const waiters = waiting.get(topic);
      waiters?.delete(take);
      if (waiters?.size === 0) waiting.delete(topic);
    }
  };

  /** A broker that goes away on the way may have delivered it: the id keeps it from running twice. */
  const anyWay = async (
    node: CameraId,
    command: CommandKey,
    id: string,
    payload: string,
    options: RequestOptions,
  ): Promise<CommandReply> => {
    const { service, name } = COMMANDS[command];
    const socketPath = parts.socketOf?.(node, service);
    const { timeoutMs, signal } = options;
    if (socketPath === undefined) return overBroker(node, command, id, payload, options);
    const beganUs = clock.monoUs();
    if (connected()) {
      const lost = new AbortController();
      const stopListening = parts.onConnected((is) => {
        // Its reply would come to nobody.
        if (!is) lost.abort(new TouchlineError('broker_unreachable', 'the broker went before the reply'));
      });
      const stop = signal ? AbortSignal.any([signal, lost.signal]) : lost.signal;
      try {
        return await overBroker(node, command, id, payload, { ...options, signal: stop });
      } catch (error) {
        if (!(error instanceof TouchlineError) || error.code !== 'broker_unreachable') throw error;
      } finally {
        stopListening();
      }
    }
    log.info({ command: `${service}/${name}` }, 'the broker is away: asked on the Unix socket');
    const leftMs = timeoutMs - Math.round((clock.monoUs() - beganUs) / 1000);
    return askSocket({ socketPath, service, name, payload, timeoutMs: Math.max(1, leftMs), signal });
  };

  return {
    async send(node, command, input, options) {
      const { service, name, output } = COMMANDS[command];
      const id = options.id ?? ulid();
      options.signal?.throwIfAborted();
      const payload = JSON.stringify({
        v: 1,
        id,
        issued_by: options.issuedBy ?? parts.issuedBy,
        ...(input as object),
      });
      const reply = await anyWay(node, command, id, payload, options);
      if (!reply.ok) throw fromWireError(reply.error);
      return parseOrThrow(
        output,
        reply.result,
        'internal',
        `the answer of ${node} to ${service}/${name}`,
      ) as never;
    },
  };
}
