import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Aedes, type AedesPublishPacket, type Client, type PublishPacket } from 'aedes';
import levelPersistence from 'aedes-persistence-level';
import type { ClassicLevel } from 'classic-level';
import { TouchlineError } from '#contracts/errors.ts';
import { isCommandTopic } from '#contracts/topics.ts';
import { openDatabase } from './open-database.ts';
import { covers } from './topic-filter.ts';

export interface AedesBrokerOptions {
  readonly host: string;
  /** 0 takes a free one: see `port()`. */
  readonly port: number;
  /** Folder for retained messages and sessions; they are kept in memory only when left out. */
  readonly persistencePath?: string;
  readonly log?: {
    warn(details: object, message: string): void;
    error(details: object, message: string): void;
  };
}

export interface AedesBroker {
  /** Throws `conflict` when the port or the folder is taken, `disk_failed` when the folder cannot be used. */
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** TCP port it listens on. Throws `internal` before `start`. */
  port(): number;
}

type Done = (error?: Error | null) => void;

/** What aedes has beside its published types. */
interface Internals {
  persistence: Persistence;
  mq: { emit(packet: AedesPublishPacket, done?: Done): unknown };
  publish(packet: PublishPacket, client: Client | null | Done, done?: Done): void;
}

interface Persistence {
  storeRetained(packet: PublishPacket): Promise<void>;
  createRetainedStreamCombi(filters: string[]): Readable;
  createRetainedStream(filter: string): Readable;
  streamWill(): Readable;
  delWill(client: { id: string; brokerId?: string }): Promise<unknown>;
}

/**
 * An MQTT 3.1.1 broker in this process: aedes, with what it leaves open closed here.
 * - A message is acknowledged after it is stored, and messages keep their order: aedes itself acknowledges first,
 *   and drops as a duplicate what a slower write has let be overtaken.
 * - Subscribers get the retained message as it is when it is sent, never an older one after a newer one.
 * - Wills of connections that ended with the former run of the broker are published before it listens.
 * - Commands are never retained: one sent so reaches its subscribers marked `retain`, and they refuse it.
 */
export function aedesBroker(options: AedesBrokerOptions): AedesBroker {
  const retained = new Map<string, PublishPacket>();
  const refusedCommands = new Set<number>();
  const sockets = new Set<Socket>();
  const stores = inOrder();
  const publishes = inOrder();
  let db: ClassicLevel<string, Buffer> | undefined;
  let broker: Aedes | undefined;
  let server: Server | undefined;
  let storeDurably: (packet: PublishPacket) => Promise<void> = async () => undefined;

  const keep = async (packet: PublishPacket): Promise<void> => {
    if (!packet.retain || isCommandTopic(packet.topic)) return;
    await storeDurably(packet);
    if (packet.payload.length === 0) retained.delete(packet.topic);
    else retained.set(packet.topic, packet);
  };

  /** Reads what the former run left, and takes retained messages over from the library. */
  const takeOverStorage = async (persistence: Persistence): Promise<void> => {
    for await (const packet of persistence.createRetainedStream('#') as AsyncIterable<PublishPacket>)
      retained.set(packet.topic, packet);
    const store = persistence.storeRetained.bind(persistence);
    if (db) storeDurably = store;
    for await (const will of persistence.streamWill() as AsyncIterable<
      PublishPacket & { clientId: string }
    >) {
      await keep(will);
      await persistence.delWill({ id: will.clientId });
    }
    persistence.storeRetained = async () => undefined;
    persistence.createRetainedStreamCombi = (filters) =>
      Readable.from(
        [...retained.values()].filter(({ topic }) => filters.some((filter) => covers(filter, topic))),
      );
  };

  /** One message after the other until it is handed to its subscribers, so that none overtakes another. */
  const keepOrder = (internals: Internals): void => {
    const publish = internals.publish.bind(internals);
    const emit = internals.mq.emit.bind(internals.mq);
    let handedOver: () => void = () => undefined;
    internals.publish = (packet, client, done) => {
      const [from, finish] = typeof client === 'function' ? [null, client] : [client, done];
      void publishes(
        () =>
          new Promise<void>((resolve) => {
            handedOver = resolve;
            publish(packet, from, (error) => {
              resolve();
              finish?.(error);
            });
          }),
      );
    };
    internals.mq.emit = (packet, done) => {
      handedOver();
      const refused = packet.retain && isCommandTopic(packet.topic);
      if (!refused) return emit(packet, done);
      refusedCommands.add(packet.brokerCounter);
      return emit(packet, (error) => {
        refusedCommands.delete(packet.brokerCounter);
        done?.(error);
      });
    };
  };

  const authorizePublish = (_client: Client | null, packet: PublishPacket, callback: Done): void => {
    if (packet.topic.startsWith('$')) {
      callback(new Error('topics that begin with $ are reserved for the broker'));
      return;
    }
    stores(() => keep(packet)).then(
      () => callback(null),
      (error: Error) => {
        options.log?.error(
          { err: error, topic: packet.topic },
          'a message could not be stored; it is refused',
        );
        callback(error);
      },
    );
  };

  const authorizeForward = (_client: Client, packet: AedesPublishPacket): AedesPublishPacket | null => {
    if (refusedCommands.has(packet.brokerCounter)) packet.retain = true;
    else if (packet.retain) {
      const current = retained.get(packet.topic);
      if (!current) return null;
      packet.payload = current.payload;
    }
    return packet;
  };

  const stop = async (): Promise<void> => {
    const closing = server?.listening ? once(server, 'close') : undefined;
    server?.close();
    if (broker) await new Promise<void>((resolve) => broker?.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closing;
    await stores(async () => undefined);
    await db?.close();
  };

  return {
    async start(signal) {
      signal.throwIfAborted();
      try {
        db = options.persistencePath === undefined ? undefined : await openDatabase(options.persistencePath);
        broker = await Aedes.createBroker({
          ...(db ? { persistence: levelPersistence(db) } : {}),
          authorizePublish,
          authorizeForward,
        });
        const internals = broker as unknown as Internals;
        await takeOverStorage(internals.persistence);
        keepOrder(internals);
        broker.on('clientError', (client, error) => {
          // That a connection breaks is everyday life, also of a client that just ended; its last will tells those whom it concerns.
          const broke = 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
          if (!broke) options.log?.warn({ err: error, client: client.id }, 'a client was disconnected');
        });
        broker.on('connectionError', (_client, error) =>
          options.log?.warn({ err: error }, 'a connection was refused'),
        );
        const { handle } = broker;
        server = createServer((socket) => {
          socket.setNoDelay(true);
          sockets.add(socket);
          socket.once('close', () => sockets.delete(socket));
          handle(socket);
        });
        server.listen(options.port, options.host);
        await once(server, 'listening', { signal });
      } catch (error) {
        await stop();
        throw asTaken(error, options);
      }
    },
    stop,
    port() {
      const address = server?.address();
      if (address === null || address === undefined || typeof address === 'string')
        throw new TouchlineError('internal', 'the broker does not listen');
      return address.port;
    },
  };
}

/** Runs jobs one after the other; a job that fails does not stop those behind it. */
function inOrder(): (job: () => Promise<void>) => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const mine = last.then(job);
    last = mine.catch(() => undefined);
    return mine;
  };
}

function asTaken(error: unknown, { host, port }: AedesBrokerOptions): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error;
  return new TouchlineError('conflict', `broker.port: another program already listens on ${host}:${port}`, {
    cause: error,
    field: 'broker.port',
    remedy: `End that program, or choose another port, such as --set broker.port=${port < 65_000 ? port + 10 : port - 10}.`,
  });
}
