import { once } from 'node:events';
import { createServer } from 'node:net';
import { ingestRoutes } from '#central/ingest/routes.ts';
import { fileRoutes } from '#central/server/file-routes.ts';
import { serverRoutes } from '#central/server/routes.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { commonRoutes } from '#contracts/routes.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createEventStream } from '#runtime/event-stream.ts';
import { closeHttpApp, createHttpApp } from '#runtime/http-app.ts';
import { createLogger } from '#runtime/logger.ts';
import { createApi } from '#services/api/service.ts';

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly responses?: Record<string, { description?: string }>;
}

export interface Route {
  readonly method: string;
  readonly path: string;
  readonly about: string;
  readonly statuses: string[];
}

const log = createLogger({ name: 'docs', level: 'silent' });

function routesOf(document: unknown): Route[] {
  const { paths } = document as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths)
    .flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        about: [operation.summary, operation.description].filter(Boolean).join('. '),
        statuses: Object.keys(operation.responses ?? {}),
      })),
    )
    .sort((a, b) => (a.path + a.method < b.path + b.method ? -1 : 1));
}

/** The routes that a node's api serves: the service itself is asked. */
export async function nodeHttpRoutes(): Promise<Route[]> {
  const clock = manualClock();
  const port = await freePort();
  const config = NodeConfig.parse({
    version: 1,
    rig: 'docs',
    camera_id: 'CAM_C',
    position: 'center',
    camera: { source: 'test-pattern' },
    api: { port },
  });
  const broker = memoryBroker();
  const bus = createBus({ rig: config.rig, node: config.camera_id, service: 'api', broker, clock, log });
  const api = createApi({
    config,
    clock,
    disk: memoryDisk(0),
    state: memoryDisk(0),
    bus,
    log,
    version: 'docs',
  });
  await api.start(new AbortController().signal);
  try {
    const answer = await fetch(`http://${config.api.host}:${port}${commonRoutes.openapi}`);
    return routesOf(await answer.json());
  } finally {
    await api.stop();
  }
}

/** The routes of the central server: they are registered on an application that serves nobody. */
export async function centralHttpRoutes(): Promise<Route[]> {
  const app = await createHttpApp({ log, document: { title: 'central', version: 'docs' } });
  const unused = <T>(): T => ({}) as T;
  serverRoutes(app, {
    catalog: unused(),
    jobs: unused(),
    sessions: unused(),
    devices: unused(),
    calibrations: unused(),
    health: unused(),
  });
  createEventStream({ clock: manualClock(), kinds: {} }).register(app);
  fileRoutes(app, { catalog: unused(), store: unused(), hashes: unused() });
  ingestRoutes(app, { uploads: unused(), catalog: unused(), onStored: unused() });
  await app.ready();
  try {
    return routesOf(app.swagger());
  } finally {
    await closeHttpApp(app);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
