import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { TouchlineError } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { HousekeeperState, RecorderState } from '#contracts/states.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { freePorts, freeUdpPorts } from '../../../cli/demo/free-ports.ts';
import { type Restarted, restartAlways } from './supervisor.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** The broker first, so that the others find it. */
const SERVICES = ['broker', 'sync-agent', 'recorder', 'housekeeper'] as const;
export type Service = (typeof SERVICES)[number];
/** What can be hit: a service, or one of the two programs that the recorder runs. */
export type Target = Service | 'encoder' | 'muxer';

export const PICTURE = { width: 1280, height: 144, fps: 30, bitrate_mbps: 1 } as const;
const CAMERA = 'CAM_C';
const POLL_MS = 20;
const COMMAND_MS = 3000;

/** Bundles the services of a node into `folder`, as devices run them. */
export async function bundleServices(folder: string): Promise<string> {
  const outdir = join(folder, 'services');
  await build({
    entryPoints: Object.fromEntries(SERVICES.map((name) => [name, join(ROOT, 'services', name, 'main.ts')])),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: ['classic-level', 'koffi', 'serialport'],
    logLevel: 'error',
    banner: {
      js: "import { createRequire as bundleRequire } from 'node:module';\nconst require = bundleRequire(import.meta.url);",
    },
  });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return outdir;
}

/** A camera node of separate processes that are started again when they die, used over its broker. */
export interface ProcessNode {
  readonly name: string;
  readonly config: NodeConfig;
  readonly logFolder: string;
  /** As last told by the broker; undefined when the service is gone. */
  readonly recorder: RecorderState | undefined;
  readonly housekeeper: HousekeeperState | undefined;
  readonly session: RigSession | undefined;
  /** The process now; undefined while there is none. */
  pidOf(target: Target): number | undefined;
  /** Asks for a start until the rig records; the session. */
  start(sessionId: string, patienceMs: number): Promise<RigSession>;
  /** Asks for the stop until the record says so. */
  stop(uid: string, patienceMs: number): Promise<RigSession>;
  until(what: string, patienceMs: number, condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function processNode(options: {
  readonly name: string;
  readonly folder: string;
  readonly bundles: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Where it records; made when left out. */
  readonly storage?: string;
}): Promise<ProcessNode> {
  const { name, folder, bundles } = options;
  const storage = options.storage ?? join(folder, 'disk');
  const logFolder = join(folder, 'logs');
  for (const each of [storage, logFolder, join(folder, 'run'), join(folder, 'state')])
    mkdirSync(each, { recursive: true });
  const [brokerPort, apiPort] = await freePorts(2);
  const [exchangePort] = await freeUdpPorts(1);
  const config = NodeConfig.parse({
    version: 1,
    rig: name,
    camera_id: CAMERA,
    position: 'center',
    cameras: [CAMERA],
    camera: { source: 'test-pattern', ...PICTURE },
    recording: { expected_duration_min: 1 },
    sync: { master: CAMERA, start_lead_ms: 600, exchange_port: exchangePort },
    broker: { port: brokerPort },
    api: { port: apiPort },
    storage: { path: storage },
    runtime_dir: join(folder, 'run'),
    state_dir: join(folder, 'state'),
    ...options.settings,
  });
  const configFile = join(folder, 'node.yml');
  writeFileSync(configFile, JSON.stringify(config));
  const children = new Map<Service, Restarted>(
    SERVICES.map((service) => [
      service,
      restartAlways(
        service,
        [process.execPath, join(bundles, `${service}.mjs`), '--config', configFile, '--until-stdin-closes'],
        join(logFolder, `${service}.log`),
      ),
    ]),
  );

  const clock = systemClock();
  const log = createLogger({ name: 'user', level: 'silent' });
  const bus = createBus({
    rig: config.rig,
    node: CAMERA,
    service: 'api',
    broker: mqttBroker(config.broker),
    clock,
    log,
  });
  let recorder: RecorderState | undefined;
  let housekeeper: HousekeeperState | undefined;
  let session: RigSession | undefined;
  const until = async (what: string, patienceMs: number, condition: () => boolean): Promise<void> => {
    const deadline = performance.now() + patienceMs;
    while (!condition()) {
      if (performance.now() > deadline)
        throw new Error(
          `${name}: ${patienceMs / 1000} s passed without: ${what}; ${JSON.stringify({ session, recorder, housekeeper })}`,
        );
      await sleep(POLL_MS);
    }
  };
  /** Asks again and again until the session's record shows what was wanted: what is asked may be dead just now. */
  const ask = async (
    what: string,
    patienceMs: number,
    request: () => Promise<unknown>,
    condition: () => boolean,
  ): Promise<void> => {
    const deadline = performance.now() + patienceMs;
    let last: unknown;
    while (!condition()) {
      if (performance.now() > deadline)
        throw new Error(`${name}: ${patienceMs / 1000} s passed without: ${what}`, { cause: last });
      last = await request().catch((error: unknown) => {
        if (!(error instanceof TouchlineError)) throw error;
        return error;
      });
      await sleep(POLL_MS);
    }
  };
  await bus.start(new AbortController().signal);
  bus.watchState('recorder', (_node, seen) => {
    recorder = seen.online ? seen.state : undefined;
  });
  bus.watchState('housekeeper', (_node, seen) => {
    housekeeper = seen.online ? seen.state : undefined;
  });
  bus.watchSession((seen) => {
    if (session === undefined || seen.session_uid >= session.session_uid) session = seen;
  });

  const node: ProcessNode = {
    name,
    config,
    logFolder,
    get recorder() {
      return recorder;
    },
    get housekeeper() {
      return housekeeper;
    },
    get session() {
      return session;
    },
    pidOf(target) {
      const service = target === 'encoder' || target === 'muxer' ? 'recorder' : target;
      const pid = children.get(service)?.pid;
      return pid === undefined || service === target ? pid : programOf(pid, target as 'encoder' | 'muxer');
    },
    until,
    async start(sessionId, patienceMs) {
      await ask(
        `${sessionId} is recorded`,
        patienceMs,
        () =>
          bus.request(
            CAMERA,
            'rigStart',
            { session_id: sessionId, override: true },
            { timeoutMs: COMMAND_MS },
          ),
        () => session?.session_id === sessionId && session.state === 'recording',
      );
      return session as RigSession;
    },
    async stop(uid, patienceMs) {
      await ask(
        'the session is stopped',
        patienceMs,
        () => bus.request(CAMERA, 'rigStop', { session_uid: uid }, { timeoutMs: COMMAND_MS }),
        () => session?.session_uid === uid && session.state === 'stopped',
      );
      return session as RigSession;
    },
    async close() {
      await bus.stop();
      await Promise.all([...children.values()].reverse().map((child) => child.stop()));
    },
  };
  return node;
}

/** What tells the two programs of a recording apart, by their arguments. */
const MARKS = { encoder: 'matroska', muxer: 'empty_moov' } as const;

function programOf(recorder: number, which: keyof typeof MARKS): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const [, state, parent] = /\) (\S) (\d+) /.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      if (Number(parent) !== recorder || state === 'Z') continue;
      if (readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(MARKS[which])) return Number(name);
    } catch (error) {
      // It ended while we looked.
      if (!(error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH'].includes(String(error.code))))
        throw error;
    }
  }
  return undefined;
}
