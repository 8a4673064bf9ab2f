import { z } from 'zod';
import { parseOrThrow } from '#contracts/errors.ts';
import {
  CentralHealth,
  CentralSession,
  DeviceList,
  Job,
  JobList,
  JobRepeat,
  ProxySettings,
  SessionList,
} from '#contracts/http-central.ts';
import { SessionUid } from '#contracts/ids.ts';
import { CalibrationList, PanoramaSettings } from '#contracts/panorama.ts';
import { centralRoutes } from '#contracts/routes.ts';
import type { JobQueue, JobRequest } from '#ports/jobs/jobs.ts';
import type { HttpApp } from '#runtime/http-app.ts';
import type { Catalog } from '../ingest/catalog.ts';
import type { KeptCalibrations } from '../panorama/kept-calibrations.ts';
import type { Devices } from './devices.ts';
import type { Sessions } from './sessions.ts';

export interface ServerRouteParts {
  readonly catalog: Catalog;
  readonly jobs: JobQueue;
  readonly sessions: Sessions;
  readonly devices: Pick<Devices, 'list'>;
  readonly calibrations: Pick<KeptCalibrations, 'list'>;
  readonly health: () => Promise<CentralHealth>;
}

const BySession = z.object({ session_uid: SessionUid });
const ByJob = z.object({ job_id: z.string().max(64) });

/** Sessions, jobs and health. */
export function serverRoutes(
  app: HttpApp,
  { catalog, jobs, sessions, devices, calibrations, health }: ServerRouteParts,
): void {
  app.get(
    centralRoutes.health,
    { schema: { summary: 'Whether the server works', response: { 200: CentralHealth } } },
    () => health(),
  );
  app.get(
    centralRoutes.sessions,
    { schema: { summary: 'All sessions, newest first', response: { 200: SessionList } } },
    async () => ({ sessions: await sessions.all() }),
  );
  app.get(
    centralRoutes.session,
    { schema: { summary: 'One session', params: BySession, response: { 200: CentralSession } } },
    (request) => sessions.one(request.params.session_uid),
  );
  app.post(
    centralRoutes.panorama,
    {
      schema: {
        summary: 'Make the panorama of a session',
        description: 'Also of an incomplete one, from the cameras that are there.',
        params: BySession,
        body: PanoramaSettings.nullish(),
        response: { 202: Job },
      },
    },
    async (request, reply) => {
      const session = await catalog.session(request.params.session_uid);
      return reply.code(202).send(
        await jobs.enqueue(
          {
            kind: 'panorama',
            session_uid: session.session_uid,
            subject: '',
            settings: request.body ?? PanoramaSettings.parse({}),
          },
          'refuse',
        ),
      );
    },
  );
  app.get(
    centralRoutes.jobs,
    { schema: { summary: 'All jobs, newest first', response: { 200: JobList } } },
    async () => ({ jobs: await jobs.list() }),
  );
  app.get(
    centralRoutes.job,
    { schema: { summary: 'One job', params: ByJob, response: { 200: Job } } },
    (request) => jobs.get(request.params.job_id),
  );
  app.post(
    centralRoutes.jobCancel,
    {
      schema: {
        summary: 'Cancel a job',
        description: 'A running one is cancelled when its state says so, a moment later.',
        params: ByJob,
        response: { 202: Job },
      },
    },
    async (request, reply) => reply.code(202).send(await jobs.cancel(request.params.job_id)),
  );
  app.get(
    centralRoutes.devices,
    {
      schema: { summary: 'Camera nodes whose rigs send their states here', response: { 200: DeviceList } },
    },
    async () => ({ devices: devices.list() }),
  );
  app.get(
    centralRoutes.calibrations,
    { schema: { summary: 'Kept calibrations, newest first', response: { 200: CalibrationList } } },
    async () => ({ calibrations: await calibrations.list() }),
  );
  app.post(
    centralRoutes.jobRepeat,
    {
      schema: {
        summary: 'Repeat a job that has ended',
        description: 'With the same settings it goes on from what a failed or cancelled one has kept.',
        params: ByJob,
        body: JobRepeat.nullish(),
        response: { 202: Job },
      },
    },
    async (request, reply) => {
      const job = await jobs.get(request.params.job_id);
      return reply.code(202).send(await jobs.enqueue(again(job, request.body?.settings), 'refuse'));
    },
  );
}

/** The request for the same job, as it was or with other settings. Throws `invalid_field`. */
function again(job: Job, settings: unknown = job.settings): JobRequest {
  const { session_uid, subject } = job;
  if (job.kind === 'panorama') {
    const read = parseOrThrow(PanoramaSettings, settings, 'invalid_field', 'settings');
    return { kind: job.kind, session_uid, subject, settings: read };
  }
  const read = parseOrThrow(ProxySettings, settings, 'invalid_field', 'settings');
  return { kind: job.kind, session_uid, subject, settings: read };
}
