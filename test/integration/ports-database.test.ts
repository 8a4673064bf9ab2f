import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import { databaseConformance } from '#ports/database/conformance.ts';
import { givenServer, postgresDatabase } from '#ports/database/postgres.ts';
import { livingPostmaster, ownSocketFolder, privatePlaces } from '#ports/database/private-files.ts';
import { privateServer } from '#ports/database/private-server.ts';
import { createLogger } from '#runtime/logger.ts';

// Servers are started one after the other, on a machine that may be busy.
t.setTimeout(120_000);

const MAJOR = '18';
const log = createLogger({ name: 'test', level: 'silent' });
const { signal } = new AbortController();

async function folder(t: Test): Promise<string> {
  // Longer than a socket path may be: the socket must not live here.
  const path = await mkdtemp(join(tmpdir(), `touchline-${'long-'.repeat(20)}`));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return join(path, 'database');
}

t.test('the private server', async (t) => {
  const path = await folder(t);
  await databaseConformance(t, (migrations) =>
    postgresDatabase({ server: privateServer({ path, role: 'owner', log }), migrations, log }),
  );
  t.equal(await livingPostmaster(privatePlaces(path, MAJOR)), undefined, 'stop ends the server');
  await t.rejects(stat(privatePlaces(path, MAJOR).socket), { code: 'ENOENT' }, 'and leaves no socket folder');
});

t.test('a server that was given, and a guest of the private one', async (t) => {
  const path = await folder(t);
  const owner = privateServer({ path, role: 'owner', log });
  const guest = postgresDatabase({
    server: privateServer({ path, role: 'guest', log }),
    migrations: [],
    log,
  });
  const guestStarts = guest.start(signal);
  const { connectionString } = await owner.start(signal);
  t.teardown(() => owner.stop());
  await guestStarts;
  t.equal(await guest.answers(), true, 'the guest came first, waited, and found the server by itself');
  await guest.stop();
  await databaseConformance(t, (migrations) =>
    postgresDatabase({ server: givenServer(connectionString), migrations, log }),
  );

  const pid = await livingPostmaster(privatePlaces(path, MAJOR));
  if (pid === undefined) throw new Error('the server has no process');
  const client = postgresDatabase({ server: givenServer(connectionString), migrations: [], log });
  await client.start(signal);
  const db = client.handle<object>();
  await t.rejects(
    db.transaction().execute(async (transaction) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(transaction);
      await sql`select pg_terminate_backend(${rows[0]?.pid}, 5000)`.execute(db);
      await sql`select 1`.execute(transaction);
    }),
    'a connection that breaks in somebody’s hands fails his query, and not the process',
  );
  process.kill(pid, 'SIGKILL');
  for (;;) {
    const now = await livingPostmaster(privatePlaces(path, MAJOR));
    if (now !== undefined && now !== pid && (await client.answers())) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.pass('a server that is killed is started again, and clients go on');
  await client.stop();
});

t.test('kill -9 of the owner ends the server, and the next owner starts on the same data', async (t) => {
  const path = await folder(t);
  const owner = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '-e',
      `import { privateServer } from '#ports/database/private-server.ts';
       import { createLogger } from '#runtime/logger.ts';
       const server = privateServer({ path: process.argv[1], role: 'owner', log: createLogger({ name: 'x', level: 'warn' }) });
       console.log((await server.start(new AbortController().signal)).connectionString);`,
      path,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [url] = (await once(createInterface(owner.stdout), 'line')) as [string];
  const before = postgresDatabase({ server: givenServer(url), migrations: [], log });
  await before.start(signal);
  await sql`create table kept (n integer)`.execute(before.handle());
  owner.kill('SIGKILL');
  const next = postgresDatabase({ server: privateServer({ path, role: 'owner', log }), migrations: [], log });
  await next.start(signal);
  t.same((await sql`select count(*)::int as n from kept`.execute(next.handle())).rows, [{ n: 0 }]);
  await before.stop();
  await next.stop();
});

t.test('what cannot work is said by name, with the way out', async (t) => {
  const path = await folder(t);
  await mkdir(join(path, '17'), { recursive: true });
  await t.rejects(privateServer({ path, role: 'owner', log }).start(signal), {
    code: 'database_unavailable',
    details: { found_major: '17', wanted_major: MAJOR, way_out: /pg_dump/ },
  });
  await t.rejects(givenServer('postgres://nobody@127.0.0.1:1/none').start(signal), {
    code: 'database_unavailable',
    details: { way_out: /database\.url/ },
  });
  const open = await mkdtemp(join(tmpdir(), 'touchline-open-'));
  t.teardown(() => rm(open, { recursive: true, force: true }));
  await chmod(open, 0o755);
  await t.rejects(ownSocketFolder(open), { code: 'database_unavailable' }, 'others could enter');

  const waiting = new AbortController();
  const guest = privateServer({ path: await folder(t), role: 'guest', log });
  const start = guest.start(waiting.signal);
  waiting.abort(new Error('enough'));
  await t.rejects(start, { message: 'enough' }, 'a guest waits until told otherwise');
});
