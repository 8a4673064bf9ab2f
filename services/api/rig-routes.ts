import { z } from 'zod';
import { StartInput, StartResult, StopInput, StopResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { RigView } from '#contracts/http-node.ts';
import { SessionUid } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { NodeStatus } from '#contracts/states.ts';
import { UpdaterState } from '#contracts/updates.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { HttpApp } from '#runtime/http-app.ts';

export interface RigRoutesParts {
  readonly config: NodeConfig;
  readonly bus: Bus;
  readonly status: () => NodeStatus;
  readonly rig: () => RigView;
}

/** Thin doors to commands and states: whoever has only HTTP can do and see what the bus does. */
export function rigRoutes(app: HttpApp, { config, bus, status, rig }: RigRoutesParts): void {
  /** A command to this node's own services, with the patience a start of the whole rig needs. */
  const timeoutMs =
    config.sync.ready_timeout_ms * 2 + config.sync.master_timeout_ms + config.sync.start_lead_ms * 2 + 3000;
  const fromHere = { timeoutMs, issuedBy: 'rest' } as const;

  app.get(
    nodeRoutes.health,
    {
      // Asked by the container's own health check.
      config: { access: 'local' },
      schema: {
        summary: 'Whether this node answers',
        response: { 200: z.object({ status: z.literal('healthy'), broker: z.boolean() }) },
      },
    },
    async () => ({ status: 'healthy' as const, broker: bus.connected }),
  );
  app.get(
    nodeRoutes.status,
    { schema: { summary: 'Everything about this node', response: { 200: NodeStatus } } },
    async () => status(),
  );
  app.get(
    nodeRoutes.rig,
    {
      schema: {
        summary: 'All nodes of the rig, with what they do not agree on',
        response: { 200: RigView },
      },
    },
    async () => rig(),
  );
  app.get(
    nodeRoutes.update,
    {
      schema: {
        summary: 'What this node knows of updates: what waits, why, and what was',
        response: { 200: UpdaterState },
      },
    },
    async () => {
      if (config.updates.channel === 'none')
        throw new TouchlineError('updates_off', 'updates.channel is none');
      const { updater } = status();
      if (!updater) throw new TouchlineError('peer_silent', 'the updater of this node is not running');
      return updater;
    },
  );
  app.post(
    nodeRoutes.rigStart,
    {
      schema: { summary: 'Start the whole rig', body: StartInput.nullable(), response: { 200: StartResult } },
    },
    async (request) => bus.request(config.camera_id, 'rigStart', request.body ?? {}, fromHere),
  );
  app.post(
    nodeRoutes.rigStop,
    {
      schema: { summary: 'Stop the whole rig', body: StopInput.nullable(), response: { 200: StopResult } },
    },
    async (request) => bus.request(config.camera_id, 'rigStop', request.body ?? {}, fromHere),
  );
  app.post(
    nodeRoutes.offload,
    {
      schema: {
        summary: 'Bring home what is not offloaded yet',
        body: z.object({ session_uid: SessionUid.optional() }).nullable(),
        response: { 202: z.object({ queued: z.int() }) },
      },
    },
    async (request, reply) =>
      reply.code(202).send(await bus.request(config.camera_id, 'offload', request.body ?? {}, fromHere)),
  );
}
