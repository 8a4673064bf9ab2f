import { Socket } from 'node:net';
import { connect as connectMqtt, type MqttClient } from 'mqtt';
import { TouchlineError } from '#contracts/errors.ts';
import type { BrokerConnection, BrokerMessage, BrokerPort, ConnectOptions } from './broker.ts';
import { covers } from './topic-filter.ts';

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2000;
const CONNECT_TIMEOUT_MS = 5000;
/** The broker takes a silent client for lost after one and a half of this (MQTT 3.1.1, 3.1.2.10). */
const KEEPALIVE_SEC = 3;
const CLOSE_TIMEOUT_MS = 1000;

interface Address {
  readonly host: string;
  readonly port: number;
}

/** An MQTT 3.1.1 broker reached over TCP; one whose address is not known yet, or changes, is asked for it at each attempt. */
export function mqttBroker(address: Address | (() => Address | undefined)): BrokerPort {
  return {
    connect: (options) => openConnection(typeof address === 'function' ? address : () => address, options),
  };
}

/**
 * Each attempt is a client of its own that is thrown away when it ends: the library would otherwise send again,
 * after the reconnect, what was on its way when the connection broke.
 */
function openConnection(addressNow: () => Address | undefined, options: ConnectOptions): BrokerConnection {
  let where = 'an address that nobody knows';
  const handlers = new Map<string, Set<(message: BrokerMessage) => void>>();
  const listeners = new Set<(connected: boolean) => void>();
  /** Ends of the publishes that the broker has not acknowledged. */
  const unacknowledged = new Set<(cause: unknown) => void>();
  let client: MqttClient | undefined;
  let connected = false;
  let closed = false;
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;
  let lastError: Error | undefined;

  const setConnected = (now: boolean): void => {
    if (connected === now) return;
    connected = now;
    for (const listener of [...listeners]) listener(now);
  };
  const unreachable = (doing: string, cause: unknown): TouchlineError =>
    new TouchlineError('broker_unreachable', `the broker at ${where} is not there: ${doing}`, { cause });

  const dispatch = (message: BrokerMessage): void => {
    for (const [filter, set] of [...handlers])
      if (covers(filter, message.topic)) for (const handler of [...set]) handler(message);
  };

  const tryLater = (): void => {
    timer = setTimeout(open, pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  };

  const open = (): void => {
    const address = addressNow();
    if (address === undefined) {
      tryLater();
      return;
    }
    where = `${address.host}:${address.port}`;
    const attempt = connectMqtt({
      host: address.host,
      port: address.port,
      protocol: 'mqtt',
      protocolVersion: 4,
      clientId: options.clientId,
      clean: true,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      keepalive: KEEPALIVE_SEC,
      connectTimeout: CONNECT_TIMEOUT_MS,
      ...(options.will
        ? {
            will: {
              topic: options.will.topic,
              payload: Buffer.from(options.will.payload),
              qos: 1,
              retain: true,
            },
          }
        : {}),
    });
    client = attempt;
    // The library writes a packet in pieces; with Nagle's algorithm each waits 40 ms for the piece before to be acknowledged.
    if (attempt.stream instanceof Socket) attempt.stream.setNoDelay(true);
    attempt.on('error', (error) => {
      lastError = error;
    });
    attempt.on('message', (topic, payload, packet) =>
      dispatch({ topic, payload: payload.toString(), retain: packet.retain }),
    );
    attempt.once('connect', () => {
      const ready = (): void => {
        if (client !== attempt || !attempt.connected) return;
        pauseMs = FIRST_PAUSE_MS;
        setConnected(true);
      };
      if (handlers.size === 0) return ready();
      attempt.subscribe([...handlers.keys()], { qos: 1 }, (error) => {
        if (!error) return ready();
        lastError = error;
        attempt.end(true);
      });
    });
    attempt.once('close', () => {
      attempt.end(true);
      if (client !== attempt) return;
      client = undefined;
      for (const end of [...unacknowledged]) end(lastError);
      setConnected(false);
      if (!closed) tryLater();
    });
  };
  open();

  return {
    async publish(topic, payload, { retain }) {
      const current = client;
      if (!current || !connected) throw unreachable(`${topic} was not published`, lastError);
      await new Promise<void>((resolve, reject) => {
        const end = (cause: unknown): void => {
          unacknowledged.delete(end);
          reject(unreachable(`${topic} was not acknowledged`, cause));
        };
        unacknowledged.add(end);
        current.publish(topic, payload, { qos: 1, retain }, (error) => {
          if (error) return end(error);
          unacknowledged.delete(end);
          resolve();
        });
      });
    },
    async subscribe(filter, handler) {
      const set = handlers.get(filter) ?? new Set();
      handlers.set(filter, set.add(handler));
      const current = client;
      if (current?.connected) {
        // A failure ends the connection, and the next one subscribes again.
        await current.subscribeAsync(filter, { qos: 1 }).catch((error: Error) => {
          lastError = error;
          current.end(true);
        });
      }
      return async () => {
        set.delete(handler);
        if (set.size > 0 || handlers.get(filter) !== set) return;
        handlers.delete(filter);
        // Without a connection there is nothing to take back.
        if (client?.connected) await client.unsubscribeAsync(filter).catch(() => undefined);
      };
    },
    onConnected(listener) {
      listeners.add(listener);
      listener(connected);
      return () => listeners.delete(listener);
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      const current = client;
      if (!current) return;
      await new Promise<void>((resolve) => {
        const force = setTimeout(() => current.stream.destroy(), CLOSE_TIMEOUT_MS);
        current.once('close', () => {
          clearTimeout(force);
          resolve();
        });
        current.end(!current.connected);
      });
    },
  };
}
