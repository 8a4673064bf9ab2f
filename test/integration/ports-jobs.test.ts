import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import t from 'tap';
import type { Migration } from '#ports/database/database.ts';
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

t.test('jobs of the version before', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'touchline-jobs-'));
  const server = privateServer({ path: join(root, 'database'), role: 'owner', log });
  const { connectionString } = await server.start(signal);
  t.teardown(async () => {
    await server.stop();
    await rm(root, { recursive: true, force: true });
  });
  const open = (migrations: readonly Migration[]) =>
    postgresDatabase({ server: givenServer(connectionString), migrations, log });
  const before = open(jobMigrations.slice(0, 1));
  await before.start(signal);
  const result = {
    file: '/x/panorama.mp4',
    width: 760,
    height: 180,
    duration_sec: 1.5,
    frames: 45,
    calibrated: false,
    layout: 'side-by-side',
    cameras: ['CAM_L', 'CAM_C'],
    from: '2024-03-15T14:00:00.000000Z',
    to: '2024-03-15T14:00:01.500000Z',
    uncovered_sec: 0,
    notes: [],
  };
  await sql`insert into job (job_id, kind, session_uid, state, finished_at, result) values
    ('a', 'panorama', '01HZZZZZZZZZZZZZZZZZZZZZZA', 'done', now(), ${JSON.stringify(result)})`.execute(
    before.handle(),
  );
  await sql`insert into job (job_id, kind, session_uid, state) values
    ('b', 'panorama', '01HZZZZZZZZZZZZZZZZZZZZZZB', 'queued')`.execute(before.handle());
  await before.stop();

  const database = open(jobMigrations);
  await database.start(signal);
  t.teardown(() => database.stop());
  const jobs = postgresJobs({ database, log });
  t.match(
    await jobs.get('a'),
    {
      subject: '',
      settings: { calibration: 'auto', match_exposure: true },
      result: {
        ...result,
        fps: 30,
        missing: [],
        calibration: null,
        calibration_reason: { message: /version/ },
      },
    },
    'what is done is told in the words of today',
  );
  t.match(
    await jobs.get('b'),
    { state: 'queued', settings: { calibration: 'auto' } },
    'what waits still waits',
  );
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
