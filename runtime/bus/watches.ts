import type { z } from 'zod';
import { firstIssue } from '#contracts/errors.ts';
import { parseTopic, type TopicParts } from '#contracts/topics.ts';
import type { BrokerMessage } from '#ports/broker/broker.ts';
import type { Logger } from '../logger.ts';
import type { Messages } from './late-connection.ts';

export interface Watch<T> {
  readonly filter: string;
  /** Which schema a topic has; undefined when it is none of ours. */
  readonly schemaOf: (parts: TopicParts) => z.ZodType<T> | undefined;
  readonly listener: (parts: TopicParts, value: T) => void;
  /** Whether a message that says the same as the last one on its topic is news. */
  readonly everyMessage: boolean;
}

export interface Watches {
  add<T>(watch: Watch<T>): () => void;
}

/** Delivers what fits the contracts; what does not is logged with topic and reason, and dropped. */
export function createWatches(connection: Messages, log: Logger): Watches {
  const receive = <T>(
    watch: Watch<T>,
    last: Map<string, string>,
    { topic, payload }: BrokerMessage,
  ): void => {
    // An empty message is how a retained one is taken back.
    if (payload === '') {
      last.delete(topic);
      return;
    }
    const parts = parseTopic(topic);
    const schema = parts && watch.schemaOf(parts);
    if (!parts || !schema) {
      log.warn({ topic }, 'a message on an unknown topic is dropped');
      return;
    }
    if (!watch.everyMessage && last.get(topic) === payload) return;
    const value = read(schema, topic, payload);
    if (value === undefined) return;
    last.set(topic, payload);
    watch.listener(parts, value);
  };

  const read = <T>(schema: z.ZodType<T>, topic: string, payload: string): T | undefined => {
    let json: unknown;
    try {
      json = JSON.parse(payload);
    } catch (error) {
      log.warn({ topic, reason: (error as Error).message }, 'a message that is not JSON is dropped');
      return undefined;
    }
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    log.warn(
      { topic, ...firstIssue(parsed.error) },
      'a message that does not follow the contract is dropped',
    );
    return undefined;
  };

  return {
    add(watch) {
      const last = new Map<string, string>();
      let stopped = false;
      const subscribed = connection.subscribe(watch.filter, (message) => {
        if (!stopped) receive(watch, last, message);
      });
      subscribed.catch((error: unknown) =>
        log.error({ err: error, filter: watch.filter }, 'a subscription failed'),
      );
      return () => {
        stopped = true;
        subscribed
          .then((unsubscribe) => unsubscribe())
          .catch((error: unknown) =>
            log.warn({ err: error, filter: watch.filter }, 'a subscription was not ended'),
          );
      };
    },
  };
}
