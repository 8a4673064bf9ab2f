import { z } from 'zod';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { Supervisor, SupervisorState } from './supervisor.ts';

/** It runs on this machine, and may be busy with a download. */
const PATIENCE_MS = 10_000;

/** `GET /v1/device` (docs/API.md of balena-supervisor): keys may be missing or null. */
const Device = z.object({
  commit: z.string().nullish(),
  download_progress: z.number().nullish(),
  update_pending: z.boolean().nullish(),
  update_downloaded: z.boolean().nullish(),
});
/** `GET /v2/state/status` */
const Status = z.object({ appState: z.string().nullish(), release: z.string().nullish() });
/** `GET /v2/applications/state`, by the name of the fleet. */
const Applications = z.record(
  z.string(),
  z.object({
    commit: z.string().nullish(),
    services: z.record(
      z.string(),
      z.object({ status: z.string().nullish(), releaseId: z.number().nullish() }),
    ),
  }),
);

export interface SupervisorAccess {
  /** BALENA_SUPERVISOR_ADDRESS */
  readonly address: string;
  /** BALENA_SUPERVISOR_API_KEY: it goes into a header, never into an address. */
  readonly key: string;
}

/** The Supervisor by its documented HTTP interface. */
export function httpSupervisor({ address, key }: SupervisorAccess): Supervisor {
  const ask = async (path: string, signal: AbortSignal, body?: object): Promise<unknown> => {
    let response: Response;
    try {
      response = await fetch(new URL(path, address), {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      });
      const text = await response.text();
      if (response.ok) return text === '' ? undefined : JSON.parse(text);
      throw new TouchlineError(
        'update_failed',
        `the Supervisor answered ${path} with ${response.status}: ${text}`,
        {
          details: { status: response.status },
        },
      );
    } catch (cause) {
      if (cause instanceof TouchlineError || signal.aborted) throw cause;
      throw new TouchlineError(
        'update_source_unreachable',
        `the Supervisor did not answer ${path}: ${(cause as Error).message}`,
        { cause },
      );
    }
  };
  const read = async <T extends z.ZodType>(
    path: string,
    schema: T,
    signal: AbortSignal,
  ): Promise<z.output<T>> =>
    parseOrThrow(schema, await ask(path, signal), 'update_failed', `the Supervisor's answer to ${path}`);

  return {
    async state(signal) {
      const [device, status, applications] = await Promise.all([
        read('/v1/device', Device, signal),
        read('/v2/state/status', Status, signal),
        read('/v2/applications/state', Applications, signal),
      ]);
      const commit = status.release ?? device.commit;
      if (!commit)
        throw new TouchlineError(
          'update_source_unreachable',
          'the Supervisor does not know yet which release runs',
        );
      return {
        commit,
        applying: status.appState === 'applying' && device.update_downloaded === true,
        pending: device.update_pending ? pendingOf(device, applications) : null,
      };
    },
    async update(signal) {
      // `cancel`: what it is waiting for now, such as a lock, is given up and begun anew.
      await ask('/v1/update', signal, { force: false, cancel: true });
    },
  };
}

function pendingOf(
  device: z.infer<typeof Device>,
  applications: z.infer<typeof Applications>,
): SupervisorState['pending'] {
  const services = Object.values(applications).flatMap((application) => Object.values(application.services));
  // Releases are numbered as they are made; of a service that did not change only its number tells.
  const releases = services.map(({ releaseId }) => releaseId).filter((id) => id != null);
  const downloaded = device.update_downloaded === true;
  return {
    release: new Set(releases).size > 1 ? Math.max(...releases) : null,
    downloaded,
    progress: downloaded || device.download_progress == null ? null : device.download_progress / 100,
  };
}
