import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import type { Logger } from 'pino';
import { TouchlineError } from '#contracts/errors.ts';
import type { Database, DatabaseServer, Handle, Migration, ServerAddress } from './database.ts';
import { listenTo } from './notices.ts';

export interface PostgresOptions {
  readonly server: DatabaseServer;
  readonly migrations: readonly Migration[];
  readonly log: Logger;
}

/** Connections of one process; the private server takes 50 from all. */
const POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 5000;
/** Any number that nobody else of this database uses: only one process migrates at a time. */
const MIGRATION_LOCK = 7_241_001;

/** A database on PostgreSQL, wherever the server comes from. */
export function postgresDatabase(options: PostgresOptions): Database {
  let pool: pg.Pool | undefined;
  let db: Kysely<unknown> | undefined;
  let address: ServerAddress | undefined;
  const closing = new Set<Promise<void>>();

  const started = (): Kysely<unknown> => {
    if (!db) throw new TouchlineError('internal', 'the database is used before it was started');
    return db;
  };
  const answers = async (): Promise<boolean> => {
    try {
      await sql`select 1`.execute(started());
      return true;
    } catch (error) {
      options.log.debug({ err: error }, 'the database does not answer');
      return false;
    }
  };

  return {
    async start(signal) {
      const { connectionString } = await options.server.start(signal);
      address = { connectionString };
      const connections = new pg.Pool({
        connectionString,
        max: POOL_SIZE,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        application_name: 'touchline',
      });
      // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
      connections.on('error', (error) => options.log.warn({ err: error }, 'a database connection was lost'));
      connections.on('connect', (client) => {
        // The pool listens to idle connections only. Whoever has this one learns of its end from the query that fails.
        client.on('error', (error) => options.log.debug({ err: error }, 'a database connection broke'));
        const closed = new Promise<void>((resolve) => client.once('end', () => resolve()));
        closing.add(closed);
        void closed.then(() => closing.delete(closed));
      });
      pool = connections;
      db = new Kysely<unknown>({
        dialect: new PostgresDialect({
          pool: {
            connect: () =>
              connections.connect().catch((error: unknown) => Promise.reject(unavailable(error))),
            end: () => connections.end(),
          },
        }),
      });
      signal.throwIfAborted();
      await migrate(db, options.migrations);
    },
    async stop() {
      if (db) await db.destroy();
      else await pool?.end();
      db = undefined;
      pool = undefined;
      // The pool has ended before its connections have; a server that stops under them makes them fail.
      await Promise.all(closing);
      await options.server.stop();
    },
    handle: <Tables>() => started() as Handle<Tables>,
    answers,
    listen(channel, listener) {
      if (!address) throw new TouchlineError('internal', 'the database is used before it was started');
      return listenTo(address, channel, listener, options.log);
    },
  };
}

/** A server that somebody else runs: `postgres://user:password@host/name`. */
export function givenServer(url: string): DatabaseServer {
  return {
    async start() {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
      try {
        await client.connect();
      } catch (error) {
        throw unavailable(error);
      } finally {
        await client.end();
      }
      return { connectionString: url };
    },
    async stop() {
      // Not ours to stop.
    },
  };
}

function unavailable(cause: unknown): TouchlineError {
  const { message, code } = cause as { message?: string; code?: string };
  return new TouchlineError('database_unavailable', `the database cannot be reached: ${message || code}`, {
    cause,
    details: { way_out: 'check that the PostgreSQL server runs and that database.url is right' },
  });
}

/** Brings the schema up to date; each step in a transaction of its own, one process at a time. */
async function migrate(db: Kysely<unknown>, migrations: readonly Migration[]): Promise<void> {
  await step(db, async (transaction) => {
    await sql`create table if not exists schema_migration (
      name text primary key, applied_at timestamptz not null default now())`.execute(transaction);
  });
  for (const migration of [...migrations].sort((a, b) => (a.name < b.name ? -1 : 1)))
    await step(db, async (transaction) => {
      const { rows } = await sql`select 1 from schema_migration where name = ${migration.name}`.execute(
        transaction,
      );
      if (rows.length > 0) return;
      await migration.up(transaction);
      await sql`insert into schema_migration (name) values (${migration.name})`.execute(transaction);
    });
}

async function step(
  db: Kysely<unknown>,
  work: Parameters<ReturnType<Kysely<unknown>['transaction']>['execute']>[0],
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(transaction);
    await work(transaction);
  });
}
