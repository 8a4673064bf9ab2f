/**
 * A connection to a message broker (MQTT 3.1.1). Reconnects by itself; what is published while it is down is
 * refused, never queued in silence: whoever needs a queue keeps one that is bounded and counted.
 */
export interface BrokerConnection {
  /** Resolves once the broker has it (QoS 1). Rejects with `broker_unreachable` while the connection is down. */
  publish(topic: string, payload: string, options: { retain: boolean }): Promise<void>;
  /** Subscribes (QoS 1), again after each reconnect. Retained messages are delivered first, marked `retain`. */
  subscribe(filter: string, handler: (message: BrokerMessage) => void): Promise<() => Promise<void>>;
  /** Called at once with the present state and then on each change. */
  onConnected(listener: (connected: boolean) => void): () => void;
  close(): Promise<void>;
}

export interface BrokerMessage {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

export interface ConnectOptions {
  /** Names the connection at the broker; a second connection of the same name ends the first. */
  readonly clientId: string;
  /** Published by the broker (retained) when the connection is lost without `close`. */
  readonly will?: { readonly topic: string; readonly payload: string };
}

/** Ways to a broker: MQTT over TCP, or a simulator in memory. */
export interface BrokerPort {
  /** Does not wait for the broker to be there: see `onConnected`. */
  connect(options: ConnectOptions): BrokerConnection;
}
