import type { Kysely, Transaction } from 'kysely';

/** A database of tables that somebody else describes: `Tables` maps names to columns, as kysely wants them. */
export type Handle<Tables> = Kysely<Tables>;

/**
 * PostgreSQL. `start` resolves when it answers and the migrations are in; failures are `database_unavailable`
 * with the way out in `details.way_out`.
 */
export interface Database {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /** Queries on it reject with `database_unavailable` while the server is away. Throws before `start`. */
  handle<Tables>(): Handle<Tables>;
  /** Whether it answers now. */
  answers(): Promise<boolean>;
  /** Listens to what `pg_notify` sends on a channel, from any process, until the returned function is called. */
  listen(channel: string, listener: NoticeListener): () => Promise<void>;
}

export interface NoticeListener {
  notice(payload: string): void;
  /** Notices may have been lost: when listening begins, and after each break of the connection. */
  missed(): void;
}

/** One step of the schema. Names are ordered as text, never changed, never reused. */
export interface Migration {
  readonly name: string;
  up(transaction: Transaction<unknown>): Promise<void>;
}

/** Where a server is found, as `pg` takes it. */
export interface ServerAddress {
  readonly connectionString: string;
}

/** What provides the server: somebody else's, or one that is started here. */
export interface DatabaseServer {
  /** Resolves with its address when it takes connections. */
  start(signal: AbortSignal): Promise<ServerAddress>;
  stop(): Promise<void>;
}
