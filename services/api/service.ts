import type { NodeMessages, RigView } from '#contracts/http-node.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { Availability, NodeStatus } from '#contracts/states.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createEventStream } from '#runtime/event-stream.ts';
import { closeHttpApp, createHttpApp, type HttpApp, portOf } from '#runtime/http-app.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import { listen } from '#runtime/listen.ts';
import type { Logger } from '#runtime/logger.ts';
import { servePage } from '#runtime/pages.ts';
import { rigPeers } from '#runtime/rig-peers.ts';
import { previewSocketPath } from '#runtime/unix-socket.ts';
import { guardAccess } from './access.ts';
import { cameraRoutes } from './cameras.ts';
import { nodeCommandRoutes } from './node-commands.ts';
import { createPeers } from './peers.ts';
import { recordingRoutes } from './recordings.ts';
import { rigRoutes } from './rig-routes.ts';
import { nodeStatus, rigView, SERVICE_NAMES, type Seen, trafficLight, worthTelling } from './status.ts';

export interface ApiDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly disk: Disk;
  /** What the service keeps for itself, apart from the recordings. */
  readonly state: Disk;
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
    health: undefined,
    'network-manager': undefined,
    signals: undefined,
    updater: undefined,
  };
  const statuses = new Map<CameraId, NodeStatus>();
  const availability = new Map<CameraId, Availability>();
  const events = createEventStream<NodeMessages>({ clock, kinds: { rig: 'latest', event: 'ring' } });
  const rigNodes = rigPeers({ config, bus });
  let session: RigSession | undefined;
  let app: HttpApp | undefined;
  let apiPort: number | undefined;
  let stops: (() => void)[] = [];

  const status = (): NodeStatus => ({
    ...nodeStatus({ config, version, bootId: clock.bootId, nowUs: clock.wallUs(), startedUs, seen }),
    ...(apiPort === undefined ? {} : { api_port: apiPort }),
  });
  const rig = (): RigView => rigView({ config, session, statuses, availability, nowUs: clock.wallUs() });
  const show = (): void => events.publish('rig', rig());

  const publish = (): void => {
    const now = status();
    statuses.set(config.camera_id, now);
    bus.setStatus(now);
    show();
  };

  const watch = (): (() => void)[] => [
    ...SERVICE_NAMES.map((service) =>
      bus.watchState(service, (node, state) => {
        if (node !== config.camera_id) return;
        const before = worthTelling(seen, config);
        Object.assign(seen, { [service]: state });
        // Counters wait for the next second; what a person would notice does not.
        if (worthTelling(seen, config) !== before) publish();
      }),
    ),
    bus.watchStatus((node, found) => {
      if (node === config.camera_id) return;
      statuses.set(node, found);
      show();
    }),
    bus.watchAvailability((node, found) => {
      availability.set(node, found);
      show();
    }),
    bus.watchSession((found) => {
      session = found;
      show();
    }),
    bus.watchEvents((node, name, payload) => events.publish('event', { camera_id: node, name, payload })),
    clock.every(STATUS_INTERVAL_MS, 'node status', publish),
  ];

  return {
    async start(signal) {
      app = await createHttpApp({
        log,
        hosts: { loopbackOnly: config.access === 'loopback', names: config.api.names },
        document: { title: `Touchline node ${config.camera_id}`, version },
      });
      const access = await guardAccess(app, {
        config,
        clock,
        state: deps.state,
        log,
        light: () => trafficLight(rig()),
      });
      await servePage(app, 'dashboard');
      events.register(app, (request) => access.roleOf(request) !== undefined);
      rigRoutes(app, { config, bus, status, rig });
      nodeCommandRoutes(app, { config, bus });
      const peers = createPeers(config, rigNodes, statuses);
      cameraRoutes(app, { config, peers, previewSocket: previewSocketPath(config) });
      recordingRoutes(app, {
        config,
        disk: deps.disk,
        bus,
        peers,
        active: () => status().recorder?.recording ?? null,
      });
      await rigNodes.start(signal);
      stops = watch();
      const address = await listen(app, config.api, 'api');
      apiPort = portOf(app);
      log.info({ address }, 'listening');
      publish();
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      await rigNodes.stop();
      if (app) await closeHttpApp(app);
    },
  };
}
