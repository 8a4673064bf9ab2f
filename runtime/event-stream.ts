import type { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { ulid } from 'ulid';
import { TouchlineError } from '#contracts/errors.ts';
import type { Beat, Reset } from '#contracts/http.ts';
import { commonRoutes } from '#contracts/routes.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { HttpApp } from './http-app.ts';

/** How a kind of message is kept: `ring` = each one counts, the last `ringSize` are kept; `latest` = only the newest value counts. */
export type MessageKind = 'ring' | 'latest';

export interface EventStreamOptions<E extends object> {
  readonly clock: Clock;
  readonly kinds: { readonly [K in keyof E & string]: MessageKind };
  /** Sends `reset` to a client that has nothing to resume from, its first connection included. */
  readonly announceReset?: boolean;
  /** Messages of ring kinds that are kept; 500 when left out. */
  readonly ringSize?: number;
  /** Shortest time between two values of a latest kind; 250 ms when left out. */
  readonly latestIntervalMs?: number;
  /** A client that leaves more than this unread is cut off; 1 MiB when left out. */
  readonly clientLimitBytes?: number;
}

/**
 * Server-sent events (WHATWG HTML, section 9.2) to any number of browsers. Every message has the id `{run}-{n}`, where `n` counts
 * the messages of ring kinds: whoever comes back with a `Last-Event-ID` gets those it missed, then the newest value of each latest
 * kind. When the ring no longer reaches back so far, or the id is of another run, it gets a `reset` first.
 */
export interface EventStream<E extends object> {
  /** Sends a message of a ring kind, or sets the value of a latest kind: one that equals the last is not sent again. */
  publish<K extends keyof E & string>(kind: K, data: E[K]): void;
  /**
   * Serves the stream at `commonRoutes.events`; it ends when the application closes. `mayStay` is asked at each beat: a client
   * whose leave is over is cut off.
   */
  register(app: HttpApp, mayStay?: (request: FastifyRequest) => boolean): void;
  readonly clients: number;
}

interface Client {
  readonly request: FastifyRequest;
  readonly response: ServerResponse;
  /** Latest kinds that changed while the client was not reading. */
  readonly owed: Set<string>;
}

interface Latest {
  json: string | undefined;
  sentJson: string | undefined;
  notBeforeUs: number;
  waiting: boolean;
}

const BEAT_INTERVAL_MS = 2000;
const RECONNECT_MS = 1000;
const CLIENTS_MAX = 64;
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-store, no-transform',
  'x-content-type-options': 'nosniff',
  // nginx holds streams back unless told not to.
  'x-accel-buffering': 'no',
} as const;

export function createEventStream<E extends object>(options: EventStreamOptions<E>): EventStream<E> {
  const { clock, kinds, announceReset = false, ringSize = 500 } = options;
  const { latestIntervalMs = 250, clientLimitBytes = 1_048_576 } = options;
  const run = ulid();
  const clients = new Set<Client>();
  const ring: { n: number; text: string }[] = [];
  const latest = new Map<string, Latest>();
  const closing = new AbortController();
  let count = 0;

  const message = (event: string, json: string): string =>
    `id: ${run}-${count}\nevent: ${event}\ndata: ${json}\n\n`;
  const moment = (): Beat & Reset => ({ at: toWireTime(clock.wallUs()) });

  const cut = (client: Client): void => {
    clients.delete(client);
    client.response.destroy();
  };
  const write = (client: Client, text: string): void => {
    if (client.response.writableLength + text.length > clientLimitBytes) cut(client);
    else client.response.write(text);
  };
  const writeLatest = (client: Client, kind: string): void => {
    const json = latest.get(kind)?.sentJson;
    if (json === undefined) return;
    // Whoever does not read now gets what is newest when it does.
    if (client.response.writableNeedDrain) client.owed.add(kind);
    else write(client, message(kind, json));
  };

  const sendLatest = (kind: string, value: Latest): void => {
    value.waiting = false;
    if (value.json === value.sentJson) return;
    value.sentJson = value.json;
    value.notBeforeUs = clock.monoUs() + latestIntervalMs * 1000;
    for (const client of clients) writeLatest(client, kind);
  };
  const setLatest = (kind: string, json: string): void => {
    const value = latest.get(kind) ?? { json, sentJson: undefined, notBeforeUs: 0, waiting: false };
    latest.set(kind, value);
    value.json = json;
    if (value.waiting) return;
    if (clock.monoUs() >= value.notBeforeUs) {
      sendLatest(kind, value);
      return;
    }
    value.waiting = true;
    clock.sleepUntil(value.notBeforeUs, `next ${kind}`, closing.signal).then(
      () => sendLatest(kind, value),
      (error: unknown) => {
        if (!closing.signal.aborted) throw error;
      },
    );
  };

  /** Messages since the one that was seen last; undefined when it cannot be known which they are. */
  const missedSince = (lastId: string | undefined): string[] | undefined => {
    const seen = lastId?.startsWith(`${run}-`) ? Number(lastId.slice(run.length + 1)) : Number.NaN;
    const oldest = ring[0]?.n ?? count + 1;
    if (!Number.isInteger(seen) || seen > count || seen < oldest - 1) return undefined;
    return ring.filter(({ n }) => n > seen).map(({ text }) => text);
  };

  const greet = (client: Client): void => {
    const lastId = client.request.headers['last-event-id'];
    const given = Array.isArray(lastId) ? lastId[0] : lastId;
    const missed = missedSince(given);
    client.response.write(`retry: ${RECONNECT_MS}\n\n`);
    if (!missed && (announceReset || given !== undefined))
      write(client, message('reset', JSON.stringify(moment())));
    for (const text of missed ?? []) write(client, text);
    for (const [kind, value] of latest) {
      value.sentJson ??= value.json;
      writeLatest(client, kind);
    }
  };

  const beat = (mayStay: (request: FastifyRequest) => boolean): void => {
    const text = message('beat', JSON.stringify(moment()));
    for (const client of clients) {
      if (mayStay(client.request)) write(client, text);
      else cut(client);
    }
  };

  return {
    publish(kind, data) {
      const json = JSON.stringify(data);
      if (kinds[kind] === 'latest') {
        setLatest(kind, json);
        return;
      }
      count++;
      const text = message(kind, json);
      ring.push({ n: count, text });
      if (ring.length > ringSize) ring.shift();
      for (const client of clients) write(client, text);
    },
    register(app, mayStay = () => true) {
      let stopBeat: (() => void) | undefined;
      app.addHook('onReady', async () => {
        stopBeat = clock.every(BEAT_INTERVAL_MS, 'beat of the event stream', () => beat(mayStay));
      });
      app.addHook('preClose', async () => {
        stopBeat?.();
        closing.abort();
        for (const client of clients) client.response.end();
        clients.clear();
      });
      app.get(
        commonRoutes.events,
        { schema: { summary: 'Everything that changes, as server-sent events' } },
        async (request, reply) => {
          if (clients.size >= CLIENTS_MAX)
            throw new TouchlineError('rate_limited', `${CLIENTS_MAX} pages are already watching`);
          reply.hijack();
          const response = reply.raw;
          const client: Client = { request, response, owed: new Set() };
          response.on('close', () => clients.delete(client));
          response.on('drain', () => {
            for (const kind of client.owed) {
              client.owed.delete(kind);
              writeLatest(client, kind);
            }
          });
          response.writeHead(200, { ...reply.getHeaders(), ...HEADERS } as Record<string, string>);
          clients.add(client);
          greet(client);
        },
      );
    },
    get clients() {
      return clients.size;
    },
  };
}
