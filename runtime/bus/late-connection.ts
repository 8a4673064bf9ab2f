import { TouchlineError } from '#contracts/errors.ts';
import type { BrokerConnection } from '#ports/broker/broker.ts';

/** What the parts of the bus need of a connection. */
export type Messages = Pick<BrokerConnection, 'publish' | 'subscribe'>;

export interface LateConnection extends Messages {
  open(connection: BrokerConnection, onConnected: (connected: boolean) => void): void;
  close(): Promise<void>;
}

/** A connection that can be spoken to before it is opened: subscriptions wait for it, publishes are refused. */
export function lateConnection(): LateConnection {
  let opened: BrokerConnection | undefined;
  let resolveOpened: (connection: BrokerConnection) => void = () => undefined;
  const opening = new Promise<BrokerConnection>((resolve) => {
    resolveOpened = resolve;
  });
  return {
    open(connection, onConnected) {
      opened = connection;
      resolveOpened(connection);
      connection.onConnected(onConnected);
    },
    async publish(topic, payload, options) {
      if (!opened)
        throw new TouchlineError('broker_unreachable', `the bus is not started: ${topic} was not published`);
      await opened.publish(topic, payload, options);
    },
    subscribe: (filter, handler) => opening.then((connection) => connection.subscribe(filter, handler)),
    async close() {
      await opened?.close();
    },
  };
}
