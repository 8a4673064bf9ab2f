import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import type { NoticeListener } from './database.ts';

const RETRY_MS = 300;
const CONNECT_TIMEOUT_MS = 5000;

/**
 * Listens to notices of PostgreSQL on a connection of its own, made again whenever it breaks. What was sent while it
 * was broken is gone: each new connection says `missed` first. Returns what ends it.
 */
export function listenTo(
  address: { readonly connectionString: string },
  channel: string,
  listener: NoticeListener,
  log: Logger,
): () => Promise<void> {
  const ending = new AbortController();
  let client: pg.Client | undefined;

  const once = async (): Promise<void> => {
    const connection = new pg.Client({
      ...address,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      application_name: 'touchline-notices',
    });
    const broken = new Promise<void>((resolve) => {
      connection.once('end', resolve);
      connection.on('error', (error) => {
        if (!ending.signal.aborted) log.info({ err: error }, 'the connection for notices was lost');
        resolve();
      });
    });
    connection.on('notification', ({ payload = '' }) => listener.notice(payload));
    try {
      await connection.connect();
      client = connection;
      await connection.query(`listen ${pg.escapeIdentifier(channel)}`);
      listener.missed();
      if (!ending.signal.aborted) await broken;
    } finally {
      client = undefined;
      await connection.end();
    }
  };

  const running = (async () => {
    while (!ending.signal.aborted) {
      try {
        await once();
      } catch (error) {
        if (!ending.signal.aborted) log.info({ err: error }, 'no connection for notices yet; trying again');
      }
      await wait(RETRY_MS, undefined, { signal: ending.signal }).catch((error: unknown) => {
        if (!ending.signal.aborted) throw error;
      });
    }
  })();
  return async () => {
    ending.abort();
    await client?.end();
    await running;
  };
}
