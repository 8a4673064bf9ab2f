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
 * could refuse a start, and no link or broker keeps a command for later anyway.
 */
export function createRequests(parts: {
  readonly rig: RigId;
  readonly issuedBy: string;
  readonly connection: Messages;
  readonly clock: Clock;
  readonly log: Logger;
}): Requests {
  const { rig, connection, clock, log } = parts;
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

  return {
    async send(node, command, input, options) {
      const { service, name, output } = COMMANDS[command];
      const id = options.id ?? ulid();
      const topic = topics.reply(rig, node, id);
      options.signal?.throwIfAborted();
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
      const published = connection.publish(
        topics.command(rig, node, command),
        JSON.stringify({ v: 1, id, issued_by: options.issuedBy ?? parts.issuedBy, ...(input as object) }),
        { retain: false },
      );
      try {
        // The reply may be here before the acknowledgement: only a refused publish decides by itself.
        const reply = await Promise.race([answered, silent, published.then(() => answered)]);
        if (!reply.ok) throw fromWireError(reply.error);
        return parseOrThrow(
          output,
          reply.result,
          'internal',
          `the answer of ${node} to ${service}/${name}`,
        ) as never;
      } finally {
        end.abort();
        silent.catch(() => undefined);
        const waiters = waiting.get(topic);
        waiters?.delete(take);
        if (waiters?.size === 0) waiting.delete(topic);
      }
    },
  };
}
