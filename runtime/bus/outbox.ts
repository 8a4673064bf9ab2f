import type { Logger } from '../logger.ts';
import type { Messages } from './late-connection.ts';

interface Entry {
  readonly topic: string;
  /** Undefined: the last retained payload of the topic, as it is when its turn comes. */
  readonly payload?: string;
}

export interface Outbox {
  /** Keeps the last payload of a retained topic and publishes it. */
  retain(topic: string, payload: string): void;
  event(topic: string, payload: string): void;
  /** The connection is there, or gone. What is waiting goes out when it is there, in order, one after the other. */
  setConnected(connected: boolean): void;
  /** Resolves when nothing waits, or the connection is gone. */
  flush(): Promise<void>;
  /** Messages that wait to be published. */
  readonly waiting: number;
  readonly eventsDropped: number;
}

export interface OutboxOptions {
  readonly connection: Pick<Messages, 'publish'>;
  readonly log: Logger;
  /** Events kept while nobody listens; the oldest is dropped first. */
  readonly eventsKept: number;
  /** Topics that others write too: published again only while the broker never acknowledged them. */
  readonly onceOnly?: (topic: string) => boolean;
}

/**
 * What is said, kept while nobody listens. After a reconnect all retained topics are published again: the broker may
 * have lost them, or replaced them with a last will.
 */
export function createOutbox({ connection, log, eventsKept, onceOnly }: OutboxOptions): Outbox {
  const retained = new Map<string, string>();
  const queue: Entry[] = [];
  let connected = false;
  let pumping: Promise<void> | undefined;
  let eventsWaiting = 0;
  let eventsDropped = 0;
  let droppedUnsaid = 0;

  const queueRetained = (topic: string): void => {
    if (!queue.some((entry) => entry.topic === topic && entry.payload === undefined)) queue.push({ topic });
  };

  /** Publishes the first entry. False when the connection broke: it stays the first. */
  const publishFirst = async (entry: Entry): Promise<boolean> => {
    const payload = entry.payload ?? retained.get(entry.topic) ?? '';
    try {
      await connection.publish(entry.topic, payload, { retain: entry.payload === undefined });
    } catch (error) {
      log.debug({ err: error, topic: entry.topic }, 'not published; kept until the broker is back');
      return false;
    }
    // A newer payload may have come while this one was on its way.
    if (entry.payload === undefined && retained.get(entry.topic) !== payload) return true;
    queue.splice(queue.indexOf(entry), 1);
    if (entry.payload !== undefined) eventsWaiting--;
    return true;
  };

  const pump = async (): Promise<void> => {
    for (let entry = queue[0]; connected && entry; entry = queue[0])
      if (!(await publishFirst(entry))) connected = false;
    if (connected && droppedUnsaid > 0) {
      log.warn(
        { dropped: droppedUnsaid, total: eventsDropped },
        'events were dropped while the broker was away',
      );
      droppedUnsaid = 0;
    }
  };
  const run = (): void => {
    if (!connected || pumping !== undefined) return;
    pumping = pump().finally(() => {
      pumping = undefined;
      if (queue.length > 0) run();
    });
  };

  return {
    retain(topic, payload) {
      retained.set(topic, payload);
      queueRetained(topic);
      run();
    },
    event(topic, payload) {
      if (eventsWaiting >= eventsKept) {
        queue.splice(
          queue.findIndex((entry) => entry.payload !== undefined),
          1,
        );
        eventsWaiting--;
        eventsDropped++;
        droppedUnsaid++;
      }
      queue.push({ topic, payload });
      eventsWaiting++;
      run();
    },
    setConnected(now) {
      if (now) for (const topic of retained.keys()) if (!onceOnly?.(topic)) queueRetained(topic);
      connected = now;
      run();
    },
    async flush() {
      while (connected && pumping !== undefined) await pumping;
    },
    get waiting() {
      return queue.length;
    },
    get eventsDropped() {
      return eventsDropped;
    },
  };
}
