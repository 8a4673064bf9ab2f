import { setTimeout as wait } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';
import type { Job } from '#contracts/http-central.ts';
import { PanoramaResult, PanoramaSettings } from '#contracts/panorama.ts';
import {
  type JobQueue,
  type JobRequest,
  type JobRun,
  LIST_LOG_LINES,
  LOG_LINES,
  MAX_ATTEMPTS,
} from './jobs.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  match(found: unknown, wanted: object, message: string): unknown;
  rejects(
    promise: Promise<unknown>,
    wanted: { code: string } | { message: string },
    message: string,
  ): Promise<unknown>;
}

/** A process that shares the queue; `kill` makes it go silent as `kill -9` does. */
export interface QueueProcess {
  readonly queue: JobQueue;
  kill(): Promise<void> | void;
}

const SESSION = '01HZZZZZZZZZZZZZZZZZZZZZZA';
const OTHER = '01HZZZZZZZZZZZZZZZZZZZZZZB';

const RESULT = PanoramaResult.parse({
  file: '/x/panorama.mp4',
  width: 3640,
  height: 720,
  duration_sec: 1,
  fps: 30,
  frames: 30,
  segments: 1,
  calibrated: false,
  calibration: null,
  calibration_origin: null,
  calibration_reason: null,
  exposure: [],
  seams: [],
  layout: 'side by side',
  cameras: ['CAM_L', 'CAM_C', 'CAM_R'],
  from: '2024-03-15T14:00:00.000000Z',
  to: '2024-03-15T14:00:01.000000Z',
  missing: [],
  uncovered_sec: 0,
  notes: [],
});

/** Every queue behaves like this. `open` gives a started process; the timings are short enough for a test. */
export async function jobsConformance(t: Assertions, open: () => Promise<QueueProcess>): Promise<void> {
  const { queue } = await open();
  const until = async (jobId: string, wanted: (job: Job) => boolean): Promise<Job> => {
    for (;;) {
      const job = await queue.get(jobId);
      if (wanted(job)) return job;
      await wait(10);
    }
  };
  const ended = (jobId: string): Promise<Job> => until(jobId, (job) => job.finished_at !== null);
  const running = (jobId: string): Promise<Job> => until(jobId, (job) => job.state === 'running');
  const request = (session = SESSION, width?: number): JobRequest => ({
    kind: 'panorama',
    session_uid: session,
    subject: '',
    settings: PanoramaSettings.parse({ width }),
  });
  const add = (session = SESSION): Promise<Job> => queue.enqueue(request(session), 'refuse');
  /** Runs until told to end, as ffmpeg would. */
  const endless: JobRun<'panorama'> = (_job, { signal }) =>
    new Promise((_resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const workWith = (process: JobQueue, run: JobRun<'panorama'>) => {
    const control = new AbortController();
    const finished = process.work('panorama', run, control.signal);
    return {
      async stop() {
        control.abort(new Error('stop'));
        await finished;
      },
    };
  };

  const seen: Job[] = [];
  let missed = 0;
  const unwatch = await queue.watch((job) => {
    if (job === 'missed') missed += 1;
    else seen.push(job);
  });
  while (missed === 0) await wait(10);

  t.same(await queue.list(), [], 'no jobs yet');
  await t.rejects(queue.get('none'), { code: 'not_found' }, 'an unknown job');
  await t.rejects(queue.cancel('none'), { code: 'not_found' }, 'an unknown job cannot be cancelled');

  const first = await add();
  t.match(
    first,
    { state: 'queued', attempt: 0, progress: 0, started_at: null, session_uid: SESSION },
    'waits',
  );
  await t.rejects(add(), { code: 'conflict' }, 'a second one is refused');
  t.equal((await queue.enqueue(request(), 'join')).job_id, first.job_id, 'or joins the first');
  const other = await add(OTHER);
  t.same(
    [
      (await queue.list()).map((job) => job.job_id),
      (await queue.list({ sessionUid: SESSION })).map((job) => job.job_id),
    ],
    [[other.job_id, first.job_id], [first.job_id]],
    'lists, newest first',
  );
  t.equal((await queue.list({ limit: 1 })).length, 1, 'so many');
  t.equal(await queue.workers(), 0, 'nobody works');
  const proxy = await queue.enqueue(
    { kind: 'proxy', session_uid: SESSION, subject: 'CAM_L/1', settings: {} },
    'refuse',
  );
  const second = await queue.enqueue(
    { kind: 'proxy', session_uid: SESSION, subject: 'CAM_L/2', settings: {} },
    'refuse',
  );
  t.match([proxy, second], [{ kind: 'proxy', subject: 'CAM_L/1' }, { subject: 'CAM_L/2' }], 'per subject');
  for (const job of [proxy, second]) await queue.cancel(job.job_id);

  const order: string[] = [];
  const good = workWith(queue, async (job, context) => {
    order.push(job.job_id);
    for (let n = 0; n < LOG_LINES + 10; n += 1) context.log(`line ${n}`);
    context.progress({ progress: 0.5, speed: 2, remainingSec: 3 });
    return RESULT;
  });
  const done = await ended(other.job_id);
  t.same(order, [first.job_id, other.job_id], 'first come, first served');
  t.match(done, { state: 'done', progress: 1, speed: 2, attempt: 1, error: null, result: RESULT }, 'done');
  t.same(
    [done.log.length, done.log.at(-1)],
    [LOG_LINES, `line ${LOG_LINES + 9}`],
    'the end of the log is kept',
  );
  t.equal((await queue.list({ sessionUid: OTHER }))[0]?.log.length, LIST_LOG_LINES, 'a list has a few lines');
  const statesOf = (jobId: string) => seen.filter((job) => job.job_id === jobId).map(({ state }) => state);
  while (!statesOf(other.job_id).includes('done')) await wait(10);
  t.equal(statesOf(other.job_id).at(0), 'queued', 'a watcher sees a job come and end');
  t.equal(await queue.workers(), 1, 'a worker reports');
  await t.rejects(queue.cancel(other.job_id), { code: 'conflict' }, 'what ended cannot be cancelled');
  await good.stop();
  t.equal(await queue.workers(), 0, 'a worker that stops says goodbye');

  const waiting = await queue.enqueue(request(SESSION, 1920), 'refuse');
  t.match(waiting.settings, { calibration: 'auto', width: 1920 }, 'settings are kept');
  t.equal((await queue.cancel(waiting.job_id)).state, 'cancelled', 'a waiting job is cancelled at once');
  let failures = 0;
  const failing = workWith(queue, async () => {
    failures += 1;
    throw new TouchlineError('job_failed', 'no common span', { details: { a: 1 } });
  });
  const failed = await ended((await add()).job_id);
  t.match(
    failed,
    { state: 'failed', error: { code: 'job_failed', details: { a: 1 } }, result: null },
    'fails',
  );
  await failing.stop();
  t.equal(failures, 1, 'neither the cancelled job ran nor the failed one twice');

  const long = await add();
  const patient = workWith(queue, async (job, context) => {
    context.log('began');
    context.progress({ progress: 0.25, speed: 0.5, remainingSec: 9 });
    return endless(job, context);
  });
  const under = await until(long.job_id, (job) => job.progress > 0);
  t.match(under, { state: 'running', speed: 0.5, remaining_sec: 9, log: ['began'] }, 'progress is seen');
  while (!seen.some((job) => job.job_id === long.job_id && job.progress === 0.25)) await wait(10);
  const next = await queue.enqueue(request(), 'join');
  t.equal(next.job_id === long.job_id, false, 'a running job is not joined: something new arrived since');
  await queue.cancel(long.job_id);
  t.equal((await ended(long.job_id)).state, 'cancelled', 'a running job is cancelled');
  await running(next.job_id);
  await patient.stop();
  t.match(await queue.get(next.job_id), { state: 'queued', attempt: 0 }, 'stopping gives the job back');

  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const doomed = await open();
    const work = workWith(doomed.queue, endless);
    const job = await until(next.job_id, ({ state, attempt: n }) => state === 'running' && n >= attempt);
    t.equal(job.attempt, attempt, `attempt ${attempt}`);
    await doomed.kill();
    if (attempt === 1) {
      const rescuer = workWith(queue, endless);
      await until(next.job_id, (job) => job.attempt === 2 && job.state === 'running');
      await rescuer.stop();
      t.match(await queue.get(next.job_id), { state: 'queued', attempt: 1 }, 'another worker took over');
    }
    await work.stop().catch((error: unknown) => t.match(error, {}, 'a dead process may fail to say goodbye'));
  }
  const last = workWith(queue, endless);
  const dead = await ended(next.job_id);
  await last.stop();
  t.match(dead, { state: 'failed', error: { code: 'job_failed' }, attempt: MAX_ATTEMPTS }, 'not for ever');
  await unwatch();
}
