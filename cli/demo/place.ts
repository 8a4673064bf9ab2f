import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import { takeLock } from '../lock.ts';
import { freePorts, freeUdpPorts } from './free-ports.ts';
import { DEMO_CAMERAS, DEMO_HFOV_DEG, type DemoSources } from './sources.ts';

const HOST = '127.0.0.1';
export const DEMO_RIG = 'demo';
/** The demo's clock master; also the node that the demo talks to first. */
export const DEMO_MASTER: CameraId = 'CAM_C';

export interface DemoNode {
  readonly cameraId: CameraId;
  readonly configFile: string;
  readonly logFile: string;
  readonly apiUrl: string;
  readonly brokerPort: number;
  /** Recordings and manifests of this node, as on its disk. */
  readonly storage: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
}

/** Where a demo lives: files below one directory, sockets in a short one of their own. */
export interface DemoPlace {
  readonly directory: string;
  readonly nodes: readonly DemoNode[];
  readonly central: { readonly configFile: string; readonly logFile: string; readonly url: string };
  /** Removes the sockets, and lets another demo have the directory. */
  leave(): void;
}

/**
 * Makes a demo's directory and writes the configurations of three nodes and a central server, on free loopback ports.
 * `out` is used as it is; without it a temporary directory is made.
 */
export async function makePlace(options: {
  out?: string | undefined;
  sources: DemoSources;
}): Promise<DemoPlace> {
  const directory =
    options.out === undefined ? mkdtempSync(join(tmpdir(), 'touchline-')) : resolve(options.out);
  if (options.out !== undefined) makeOutput(directory);
  const lock = await takeLock(`demo ${realpathSync(directory)}`);
  if (lock === undefined)
    throw new TouchlineError('conflict', `--out ${directory}: another demo is using it`, { field: 'out' });
  // The path of a Unix socket has 107 bytes at most, and a demo directory may lie deep.
  const sockets = mkdtempSync(join(tmpdir(), 'tl-'));
  const [serverPort = 0, centralBrokerPort = 0, ...ports] = await freePorts(2 + 2 * DEMO_CAMERAS.length);
  const exchangePorts = await freeUdpPorts(DEMO_CAMERAS.length);
  const url = `http://${HOST}:${serverPort}`;
  for (const name of ['config', 'logs', 'nodes', 'central'])
    mkdirSync(join(directory, name), { recursive: true });

  const nodes = DEMO_CAMERAS.map(({ id }, n) => ({
    cameraId: id,
    configFile: join(directory, 'config', `${id}.yml`),
    logFile: join(directory, 'logs', `${id}.log`),
    brokerPort: ports[2 * n] ?? 0,
    exchangePort: exchangePorts[n] ?? 0,
    apiPort: ports[2 * n + 1] ?? 0,
    apiUrl: `http://${HOST}:${ports[2 * n + 1]}`,
    storage: join(directory, 'nodes', id),
    stateDir: join(directory, 'state', id),
    runtimeDir: join(sockets, id),
  }));
  DEMO_CAMERAS.forEach(({ id, position, view, exposure }, n) => {
    const node = nodes[n];
    if (node === undefined) return;
    const source = options.sources.get(id);
    for (const folder of [node.storage, node.stateDir, node.runtimeDir])
      mkdirSync(folder, { recursive: true });
    const config: z.input<typeof NodeConfig> = {
      version: 1,
      rig: DEMO_RIG,
      camera_id: id,
      position,
      storage: { path: node.storage },
      camera:
        source === undefined
          ? { source: 'test-pattern', scene: 'pitch', view: { hfov_deg: DEMO_HFOV_DEG, ...view }, exposure }
          : { source: 'file', path: source },
      // A developer's disk is often fuller than a camera's should be, and a demo is short.
      recording: { expected_duration_min: 5, free_warn_percent: 2, free_block_percent: 1 },
      // Three encoders share this machine: it is busy by design.
      preview: { off_above_cpu_percent: 100 },
      sync: { master: DEMO_MASTER, exchange_port: node.exchangePort },
      broker: {
        port: node.brokerPort,
        peers: nodes
          .filter((other) => other !== node)
          .map((other) => ({
            camera_id: other.cameraId,
            host: HOST,
            port: other.brokerPort,
            exchange_port: other.exchangePort,
          })),
        central: { host: HOST, port: centralBrokerPort },
      },
      api: { port: node.apiPort },
      offload: { server_url: url, auto_upload: true, upload_on_record_stop: true, retry_delay_sec: 1 },
      runtime_dir: node.runtimeDir,
      state_dir: node.stateDir,
    };
    writeConfig(node.configFile, config);
  });

  const central = {
    configFile: join(directory, 'config', 'central.yml'),
    logFile: join(directory, 'logs', 'central.log'),
    url,
  };
  const config: z.input<typeof ServerConfig> = {
    version: 1,
    server: { host: HOST, port: serverPort },
    broker: { host: HOST, port: centralBrokerPort },
    storage: { root: join(directory, 'central'), min_free_space_gb: 1 },
    processing: { output_preset: 'veryfast', calibration: { hfov_deg: DEMO_HFOV_DEG } },
  };
  writeConfig(central.configFile, config);
  const leave = (): void => {
    rmSync(sockets, { recursive: true, force: true });
    lock.release();
  };
  return { directory, nodes, central, leave };
}

/**
 * Makes `--out`, one folder after the other: `recursive` never returns where a file system knows no new folders (/proc).
 * Throws `invalid_field`.
 */
function makeOutput(directory: string): void {
  try {
    const missing: string[] = [];
    for (let path = directory; !existsSync(path); path = dirname(path)) missing.unshift(path);
    for (const path of missing) mkdirSync(path);
    if (!statSync(directory).isDirectory()) throw new Error('it is a file');
    accessSync(directory, constants.W_OK);
  } catch (cause) {
    throw new TouchlineError(
      'invalid_field',
      `--out ${directory} cannot be the demo directory: ${cause instanceof Error ? cause.message : String(cause)}`,
      { field: 'out', cause },
    );
  }
}

function writeConfig(file: string, config: object): void {
  writeFileSync(file, `# Written by ./touchline demo\n${stringify(config)}`);
}
