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
  await second.stop();
}
