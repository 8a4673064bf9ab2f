import { join, resolve } from 'node:path';
import multipart from '@fastify/multipart';
import { TouchlineError } from '#contracts/errors.ts';
import type { CentralEvents, CentralHealth } from '#contracts/http-central.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import type { BrokerPort } from '#ports/broker/broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { postgresJobs } from '#ports/jobs/postgres-jobs.ts';
import { createEventStream } from '#runtime/event-stream.ts';
import { closeHttpApp, createHttpApp, type HttpApp, portOf } from '#runtime/http-app.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { listen } from '#runtime/listen.ts';
import type { Logger } from '#runtime/logger.ts';
import { servePage } from '#runtime/pages.ts';
import { createCatalog } from '../ingest/catalog.ts';
import { BYTES_PER_GB, centralDatabase, centralStore } from '../ingest/foundation.ts';
import { createHashes } from '../ingest/hashes.ts';
import { healAll } from '../ingest/heal.ts';
import { ffprobe } from '../ingest/probe.ts';
import { createRigSessions } from '../ingest/rig-sessions.ts';
import { ingestRoutes } from '../ingest/routes.ts';
import { createUploads, type Uploads } from '../ingest/upload.ts';
import { keptCalibrations } from '../panorama/kept-calibrations.ts';
import { createChanges } from './changes.ts';
import { createDevices } from './devices.ts';
import { fileRoutes } from './file-routes.ts';
import { createJobsExport } from './jobs-export.ts';
import { panoramaOnComplete } from './on-complete.ts';
import { proxiesWanted } from './proxies-wanted.ts';
import { serverRoutes } from './routes.ts';
import { createSessions } from './sessions.ts';
import { createStorageLock } from './storage-lock.ts';

export interface ServerParts {
  readonly config: ServerConfig;
  readonly log: Logger;
  readonly version: string;
}

/** The central server: uploads, catalogue, job queue and broker behind one HTTP port and one MQTT port. */
export interface Server extends Unit {
  /** Throws before `start`. */
  httpPort(): number;
  mqttPort(): number;
}

/** Uploads that are told to end get this long to say so to their senders. */
const STOP_GRACE_MS = 1500;

/** Whoever missed more loads everything anew, which is little. Sessions with their jobs are some kilobytes each. */
const EVENTS_KEPT = 50;
const EVENT_CLIENT_LIMIT_BYTES = 8 * 1024 * 1024;

export function createServer({ config, log, version }: ServerParts): Server {
  const database = centralDatabase(config, 'owner', log);
  const db = <T>() => database.handle<T>();
  const store = centralStore(config, { receives: true });
  const jobs = postgresJobs({ database, log });
  const catalog = createCatalog({ database, store, log });
  const hashes = createHashes({ db, store });
  const sessions = createSessions({ catalog, jobs, store, log });
  const onComplete = panoramaOnComplete({
    catalog,
    jobs,
    log,
    enabled: config.processing.panorama_on_complete,
  });
  const clock = systemClock();
  const stream = createEventStream<CentralEvents>({
    clock,
    kinds: { job: 'ring', session: 'ring', device: 'ring', reset: 'ring' },
    announceReset: true,
    ringSize: EVENTS_KEPT,
    clientLimitBytes: EVENT_CLIENT_LIMIT_BYTES,
  });
  const proxies = proxiesWanted({ catalog, jobs, store, log });
  const broker = aedesBroker({
    host: config.broker.host,
    port: config.broker.port,
    persistencePath: join(resolve(config.storage.root), 'broker'),
    log,
  });
  /** The port is known once the broker listens. */
  const ownBroker: BrokerPort = {
    connect: (options) =>
      mqttBroker({ host: reachable(config.broker.host), port: broker.port() }).connect(options),
  };
  const devices = createDevices({
    broker: ownBroker,
    clock,
    log,
    onChange: (device) => stream.publish('device', device),
  });
  const minFreeBytes = config.storage.min_free_space_gb * BYTES_PER_GB;
  let uploads: Uploads | undefined;
  let app: HttpApp | undefined;

  const health = async (): Promise<CentralHealth> => {
    const [free, answers] = await Promise.all([store.freeBytes(), database.answers()]);
    return {
      status: answers && free >= minFreeBytes ? 'healthy' : 'degraded',
      storage_free_gb: free / BYTES_PER_GB,
      active_uploads: uploads?.active ?? 0,
      software_version: version,
      database: answers ? 'ok' : 'unavailable',
      workers: answers ? await jobs.workers() : 0,
    };
  };

  const http: Unit = {
    async start() {
      uploads = createUploads({
        db: db(),
        store,
        log,
        probe: ffprobe(config.processing.ffmpeg_path),
        limits: {
          maxBytes: config.server.max_upload_size_gb * BYTES_PER_GB,
          minFreeBytes,
          timeoutMs: config.server.upload_timeout_sec * 1000,
        },
      });
      app = await createHttpApp({
        log,
        document: { title: 'Touchline central', version },
        hosts: { loopbackOnly: config.access === 'loopback', names: config.server.names },
      });
      await app.register(multipart, { throwFileSizeLimit: false });
      ingestRoutes(app, {
        uploads,
        catalog,
        async onStored(sessionUid) {
          await proxies.changed(sessionUid);
          await onComplete.changed(sessionUid);
        },
      });
      serverRoutes(app, {
        catalog,
        jobs,
        sessions,
        devices,
        calibrations: keptCalibrations(store, (message) => log.warn(message)),
        health,
      });
      fileRoutes(app, { catalog, store, hashes });
      stream.register(app);
      await servePage(app, 'console');
      await listen(app, config.server, 'server');
      log.info(
        { http_port: portOf(app), mqtt_port: broker.port() },
        `central listens: http://${config.server.host}:${portOf(app)}, mqtt://${config.broker.host}:${broker.port()}`,
      );
    },
    async stop() {
      uploads?.shutDown();
      if (app) await closeHttpApp(app, STOP_GRACE_MS);
    },
  };

  const unit = group(
    createStorageLock({ root: resolve(config.storage.root), log }),
    database,
    { start: () => store.start(), stop: async () => undefined },
    jobs,
    {
      async start() {
        const added = await healAll({ db: db(), store, log });
        if (added > 0) log.warn({ added }, 'recordings that the catalogue did not know were added');
        await proxies.catchUp();
        await onComplete.catchUp();
      },
      stop: async () => undefined,
    },
    createJobsExport({ jobs, store, log }),
    broker,
    createRigSessions({
      broker: ownBroker,
      log,
      async note(record) {
        await catalog.noteRigSession(record);
        await onComplete.catchUp();
      },
    }),
    devices,
    createChanges({ catalog, jobs, sessions, stream, clock, log }),
    http,
  );
  return {
    ...unit,
    httpPort() {
      if (!app) throw new TouchlineError('internal', 'the server has not started');
      return portOf(app);
    },
    mqttPort: () => broker.port(),
  };
}

/** An address to listen on is not always one to connect to. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
