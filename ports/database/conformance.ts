import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database, Migration } from './database.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(
    promise: Promise<unknown>,
    wanted: { code: string } | { message: string },
    message: string,
  ): Promise<unknown>;
}

interface Tables {
  conformance: { id: string; n: number };
}

/** Every database behaves like this, whoever runs the server. `open` gives a new one on the same server and data. */
export async function databaseConformance(
  t: Assertions,
  open: (migrations: Migration[]) => Database,
): Promise<void> {
  const { signal } = new AbortController();
  let runs = 0;
  const create: Migration = {
    name: 'conformance-001',
    async up(transaction) {
      runs += 1;
      await sql`create table conformance (id text primary key, n integer not null)`.execute(transaction);
    },
  };
  const broken: Migration = {
    name: 'conformance-002',
    async up(transaction) {
      await sql`insert into conformance values ('half', 1)`.execute(transaction);
      throw new Error('half way');
    },
  };

  const first = open([create]);
  await first.start(signal);
  await first.handle<Tables>().insertInto('conformance').values({ id: 'a', n: 1 }).execute();
  await t.rejects(
    first
      .handle<Tables>()
      .transaction()
      .execute(async (transaction) => {
        await transaction.insertInto('conformance').values({ id: 'b', n: 2 }).execute();
        throw new Error('no');
      }),
    { message: 'no' },
    'a failed transaction fails',
  );
  t.equal(await first.answers(), true, 'answers while it runs');
  await first.stop();

  const failing = open([broken, create]);
  await t.rejects(failing.start(signal), { message: 'half way' }, 'a failing migration stops the start');
  await failing.stop();

  const second = open([create]);
  await second.start(signal);
  t.equal(runs, 1, 'a migration runs once');
  t.same(
    await second.handle<Tables>().selectFrom('conformance').selectAll().execute(),
    [{ id: 'a', n: 1 }],
    'what was committed is there after a restart, what was not is not, nor what a broken migration wrote',
  );
  const told: string[] = [];
  const end = second.listen('conformance', {
    notice: (payload) => told.push(payload),
    missed: () => told.push('missed'),
  });
  const until = async (wanted: string[], message: string): Promise<void> => {
    while (told.length < wanted.length) await wait(5);
    t.same(told.splice(0), wanted, message);
  };
  const notify = (text: string) => sql`select pg_notify('conformance', ${text})`.execute(second.handle());
  await until(['missed'], 'whoever begins to listen has missed what was before');
  await notify('one');
  await until(['one'], 'a notice arrives');
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'touchline-notices'`.execute(second.handle());
  await until(['missed'], 'a broken connection is made again, and that is said');
  await notify('two');
  await until(['two'], 'and listens');
  await end();
  await notify('three');
  t.same(told, [], 'until it is told to end');
  await second.stop();
}
