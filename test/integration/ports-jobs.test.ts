import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { givenServer, postgresDatabase } from '#ports/database/postgres.ts';
import { privateServer } from '#ports/database/private-server.ts';
import { jobsConformance } from '#ports/jobs/conformance.ts';
import { memoryJobs } from '#ports/jobs/memory-jobs.ts';
import { postgresJobs } from '#ports/jobs/postgres-jobs.ts';
import { jobMigrations } from '#ports/jobs/tables.ts';
import { createLogger } from '#runtime/logger.ts';

// Servers are started one after the other, on a machine that may be busy.
t.setTimeout(120_000);

const log = createLogger({ name: 'test', level: 'silent' });
const { signal } = new AbortController();

t.test('in memory', async (t) => {
  const jobs = memoryJobs({ pollMs: 10, heartbeatMs: 10, staleMs: 300 });
  await jobsConformance(t, async () => jobs.process());
});

t.test('on PostgreSQL', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'touchline-jobs-'));
  const server = privateServer({ path: join(root, 'database'), role: 'owner', log });
  const { connectionString } = await server.start(signal);
  const running: { stop(): Promise<void> }[] = [];
  t.teardown(async () => {
    for (const unit of running.reverse()) await unit.stop();
    await server.stop();
    await rm(root, { recursive: true, force: true });
  });
  const open = async () => {
    const database = postgresDatabase({
      server: givenServer(connectionString),
      migrations: jobMigrations,
      log,
    });
    await database.start(signal);
    const queue = postgresJobs({
      database,
      log,
      timing: { pollMs: 20, heartbeatMs: 50, staleMs: 1000 },
    });
    await queue.start(signal);
    let killed = false;
    const unit = {
      async stop() {
        if (killed) return;
        await queue.stop();
        await database.stop();
      },
    };
    running.push(unit);
    return {
      queue,
      async kill() {
        killed = true;
        // Without its connections a process can neither report nor write.
        await database.stop();
        await queue.stop();
      },
    };
  };
  await Promise.all([open(), open(), open()]);
  t.pass('several processes start on an empty database at once');
  await jobsConformance(t, open);
});
