import { z } from 'zod';
import { StartInput, StartResult, StopInput, StopResult } from '#contracts/commands.ts';
import { RecordingList, RigView } from '#contracts/http-node.ts';
import { type CameraId, SessionUid } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { RigSession } from '#contracts/session.ts';
import { type Availability, NodeStatus } from '#contracts/states.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { closeHttpApp, createHttpApp, type HttpApp } from '#runtime/http-app.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { readManifests } from '#runtime/manifests.ts';
import { NODE_SERVICES, nodeStatus, rigView, type Seen } from './status.ts';

export interface ApiDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly bus: Bus;
  readonly log: Logger;
  readonly version: string;
}

const STATUS_INTERVAL_MS = 1000;

export function createApi(deps: ApiDeps): Unit {
  const { config, clock, bus, log, version } = deps;
  const startedUs = clock.wallUs();
  const seen: Seen = {
    recorder: undefined,
    'sync-agent': undefined,
    housekeeper: undefined,
    broker: undefined,
  };
  const statuses = new Map<CameraId, NodeStatus>();
  const availability = new Map<CameraId, Availability>();
  let session: RigSession | undefined;
  let app: HttpApp | undefined;
  let stops: (() => void)[] = [];

  const status = (): NodeStatus =>
    nodeStatus({ config, version, bootId: clock.bootId, nowUs: clock.wallUs(), startedUs, seen });

  const publish = (): void => {
    const now = status();
    statuses.set(config.camera_id, now);
    bus.setStatus(now);
  };

  /** A command to this node's own services, with the patience a start of the whole rig needs. */
  const timeoutMs =
    config.sync.ready_timeout_ms * 2 + config.sync.master_timeout_ms + config.sync.start_lead_ms * 2 + 3000;

  const routes = (server: HttpApp): void => {
    server.get(
      nodeRoutes.health,
      {
        schema: {
          summary: 'Whether this node answers',
          response: { 200: z.object({ status: z.literal('healthy'), broker: z.boolean() }) },
        },
      },
      async () => ({
        status: 'healthy' as const,
        broker: bus.connected,
      }),
    );
    server.get(
      nodeRoutes.status,
      { schema: { summary: 'Everything about this node', response: { 200: NodeStatus } } },
      async () => status(),
    );
    server.get(
      nodeRoutes.rig,
      {
        schema: {
          summary: 'All nodes of the rig, with what they do not agree on',
          response: { 200: RigView },
        },
      },
      async () => rigView({ config, session, statuses, availability, nowUs: clock.wallUs() }),
    );
    server.post(
      nodeRoutes.rigStart,
      { schema: { summary: 'Start the whole rig', body: StartInput, response: { 200: StartResult } } },
      async (request) =>
        bus.request(config.camera_id, 'rigStart', request.body, { timeoutMs, issuedBy: 'rest' }),
    );
    server.post(
      nodeRoutes.rigStop,
      {
        schema: { summary: 'Stop the whole rig', body: StopInput.default({}), response: { 200: StopResult } },
      },
      async (request) =>
        bus.request(config.camera_id, 'rigStop', request.body, { timeoutMs, issuedBy: 'rest' }),
    );
    server.get(
      nodeRoutes.recordings,
      { schema: { summary: 'Manifests on this node', response: { 200: RecordingList } } },
      async () => {
        const { manifests, unreadable } = await readManifests(deps.disk);
        return {
          recordings: manifests.map(({ manifest, manifestPath }) => ({
            manifest_path: manifestPath,
            manifest,
          })),
          unreadable: unreadable.map(({ manifestPath, error }) => ({
            manifest_path: manifestPath,
            reason: error.message,
          })),
        };
      },
    );
    server.post(
      nodeRoutes.offload,
      {
        schema: {
          summary: 'Bring home what is not offloaded yet',
          body: z.object({ session_uid: SessionUid.optional() }).default({}),
          response: { 202: z.object({ queued: z.int() }) },
        },
      },
      async (request, reply) =>
        reply
          .code(202)
          .send(
            await bus.request(config.camera_id, 'offload', request.body, { timeoutMs, issuedBy: 'rest' }),
          ),
    );
  };

  return {
    async start() {
      app = await createHttpApp({ log, document: { title: `Touchline node ${config.camera_id}`, version } });
      routes(app);
      const note = (service: (typeof NODE_SERVICES)[number]) =>
        bus.watchState(service, (node, state) => {
          if (node === config.camera_id) Object.assign(seen, { [service]: state });
        });
      stops = [
        ...NODE_SERVICES.map(note),
        bus.watchStatus((node, found) => {
          if (node !== config.camera_id) statuses.set(node, found);
        }),
        bus.watchAvailability((node, found) => availability.set(node, found)),
        bus.watchSession((found) => {
          session = found;
        }),
        clock.every(STATUS_INTERVAL_MS, 'node status', publish),
      ];
      const address = await app.listen({ host: config.api.host, port: config.api.port });
      log.info({ address }, 'listening');
      publish();
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      if (app) await closeHttpApp(app);
    },
  };
}
