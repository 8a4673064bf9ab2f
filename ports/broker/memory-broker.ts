import { TouchlineError } from '#contracts/errors.ts';
import { isCommandTopic } from '#contracts/topics.ts';
import type { BrokerConnection, BrokerMessage, BrokerPort, ConnectOptions } from './broker.ts';
import { covers } from './topic-filter.ts';

/** A broker in memory, for tests and simulations, with the moods of a real one. */
export interface MemoryBroker extends BrokerPort {
  /** The broker goes away: every connection is lost; retained messages and wills stay with it. */
  down(): void;
  /** It is back; connections return by themselves. */
  up(): void;
  /** The connection breaks, its will is published, and it comes back by itself. */
  drop(clientId: string): void;
  /** The program behind the connection dies: like `drop`, but it never comes back. */
  kill(clientId: string): void;
  /** Payload of a retained message. */
  retained(topic: string): string | undefined;
  /** How many messages were published so far, wills included. */
  readonly publishedCount: number;
}

interface Session {
  readonly options: ConnectOptions;
  readonly handlers: Map<string, Set<(message: BrokerMessage) => void>>;
  readonly listeners: Set<(connected: boolean) => void>;
  connected: boolean;
  closed: boolean;
}

export function memoryBroker(): MemoryBroker {
  const retained = new Map<string, string>();
  const sessions = new Set<Session>();
  let running = true;
  let publishedCount = 0;

  const deliver = (session: Session, message: BrokerMessage, only?: string): void =>
    queueMicrotask(() => {
      if (!session.connected) return;
      for (const [filter, handlers] of [...session.handlers])
        if ((only === undefined || only === filter) && covers(filter, message.topic))
          for (const handler of [...handlers]) handler(message);
    });
  const keep = (topic: string, payload: string): void => {
    if (isCommandTopic(topic)) return;
    if (payload === '') retained.delete(topic);
    else retained.set(topic, payload);
  };
  const publish = (topic: string, payload: string, retain: boolean): void => {
    publishedCount++;
    if (retain) keep(topic, payload);
    for (const session of sessions)
      deliver(session, { topic, payload, retain: retain && isCommandTopic(topic) });
  };
  const replay = (session: Session, filter: string): void => {
    for (const topic of retained.keys())
      if (covers(filter, topic))
        queueMicrotask(() => {
          const payload = retained.get(topic);
          if (payload !== undefined) deliver(session, { topic, payload, retain: true }, filter);
        });
  };
  const setConnected = (session: Session, connected: boolean): void => {
    if (session.connected === connected) return;
    session.connected = connected;
    if (connected) for (const filter of session.handlers.keys()) replay(session, filter);
    for (const listener of [...session.listeners]) listener(connected);
  };
  const comeBack = (session: Session): void =>
    queueMicrotask(() => {
      if (running && !session.closed) setConnected(session, true);
    });
  const lose = (session: Session): void => {
    const { will } = session.options;
    const was = session.connected;
    setConnected(session, false);
    if (was && will) publish(will.topic, will.payload, true);
  };
  const find = (clientId: string): Session => {
    for (const session of sessions) if (session.options.clientId === clientId) return session;
    throw new TouchlineError('not_found', `nobody is connected as ${clientId}`);
  };
  const refuseWhenDown = (session: Session, topic: string): void => {
    if (!session.connected)
      throw new TouchlineError(
        'broker_unreachable',
        `the broker in memory is not there: ${topic} was not published`,
      );
  };

  return {
    connect(options): BrokerConnection {
      for (const other of [...sessions])
        if (other.options.clientId === options.clientId) {
          lose(other);
          other.closed = true;
          sessions.delete(other);
        }
      const session: Session = {
        options,
        handlers: new Map(),
        listeners: new Set(),
        connected: false,
        closed: false,
      };
      sessions.add(session);
      comeBack(session);
      return {
        async publish(topic, payload, { retain }) {
          refuseWhenDown(session, topic);
          publish(topic, payload, retain);
        },
        async subscribe(filter, handler) {
          const set = session.handlers.get(filter) ?? new Set();
          session.handlers.set(filter, set.add(handler));
          if (session.connected) replay(session, filter);
          return async () => {
            set.delete(handler);
            if (set.size === 0 && session.handlers.get(filter) === set) session.handlers.delete(filter);
          };
        },
        onConnected(listener) {
          session.listeners.add(listener);
          listener(session.connected);
          return () => session.listeners.delete(listener);
        },
        async close() {
          session.closed = true;
          sessions.delete(session);
          setConnected(session, false);
        },
      };
    },
    down() {
      running = false;
      for (const session of sessions) lose(session);
    },
    up() {
      running = true;
      for (const session of sessions) comeBack(session);
    },
    drop(clientId) {
      const session = find(clientId);
      lose(session);
      comeBack(session);
    },
    kill(clientId) {
      const session = find(clientId);
      lose(session);
      session.closed = true;
      sessions.delete(session);
    },
    retained: (topic) => retained.get(topic),
    get publishedCount() {
      return publishedCount;
    },
  };
}
