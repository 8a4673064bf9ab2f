import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { BASE_ARGUMENTS, BASES } from './base-images.ts';
import type { Engine } from './engine.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** A compose project: the files that are shipped, and a file of the lab's over them. */
export interface Stack {
  readonly project: string;
  /** First part of the names of its images; nodes share them. */
  readonly kind: 'fleet' | 'central';
  readonly file: string;
  readonly services: readonly string[];
  /** Settings of every service, as a fleet's or device's variables give them. */
  readonly variables: Readonly<Record<string, string>>;
  /** What the lab has to say otherwise, by service. */
  readonly otherwise?: Readonly<Record<string, object>>;
}

interface Compose {
  readonly services: Readonly<Record<string, object>>;
}

const servicesOf = (file: string): string[] =>
  Object.keys((parse(readFileSync(join(ROOT, file), 'utf8')) as Compose).services);

const FLEET = 'docker-compose.yml';
const CENTRAL = 'central/docker-compose.yml';
export const CENTRAL_HTTP_PORT = 8081;
const CENTRAL_MQTT_PORT = 1884;
const HOST = '127.0.0.1';

/** The cameras of the lab's rig, in one network: their ports differ, as in the demo. */
export const NODES = [
  { camera: 'CAM_L', position: 'left', mqtt: 1885, http: 8082, exchange: 7124 },
  { camera: 'CAM_C', position: 'center', mqtt: 1883, http: 8080, exchange: 7123 },
] as const;
export const RIG = 'lab';
export const MASTER = NODES[1];

/** One camera node: the fleet's compose file with variables alone. */
export function fleet(node: (typeof NODES)[number]): Stack {
  const peers = NODES.filter((other) => other !== node).map((other) => ({
    camera_id: other.camera,
    host: HOST,
    port: other.mqtt,
    exchange_port: other.exchange,
  }));
  return {
    project: `fleet-${node.position}`,
    kind: 'fleet',
    file: FLEET,
    services: servicesOf(FLEET),
    variables: {
      TOUCHLINE_RIG: RIG,
      TOUCHLINE_CAMERA_ID: node.camera,
      TOUCHLINE_POSITION: node.position,
      TOUCHLINE_CAMERAS: JSON.stringify(NODES.map((each) => each.camera)),
      TOUCHLINE_CAMERA__SOURCE: 'test-pattern',
      TOUCHLINE_CAMERA__SCENE: 'pitch',
      // There is no Supervisor here.
      TOUCHLINE_UPDATES__CHANNEL: 'none',
      TOUCHLINE_BROKER__PORT: String(node.mqtt),
      TOUCHLINE_BROKER__PEERS: JSON.stringify(peers),
      TOUCHLINE_BROKER__CENTRAL: JSON.stringify({ host: HOST, port: CENTRAL_MQTT_PORT }),
      TOUCHLINE_API__PORT: String(node.http),
      TOUCHLINE_SYNC__EXCHANGE_PORT: String(node.exchange),
      TOUCHLINE_OFFLOAD__SERVER_URL: `http://${HOST}:${CENTRAL_HTTP_PORT}`,
      TOUCHLINE_OFFLOAD__AUTO_UPLOAD: 'true',
      TOUCHLINE_OFFLOAD__UPLOAD_ON_RECORD_STOP: 'true',
      // The disk of whoever runs this is often fuller than a camera's should be; two encoders share its processor.
      TOUCHLINE_RECORDING__EXPECTED_DURATION_MIN: '5',
      TOUCHLINE_RECORDING__FREE_WARN_PERCENT: '2',
      TOUCHLINE_RECORDING__FREE_BLOCK_PERCENT: '1',
      TOUCHLINE_PREVIEW__OFF_ABOVE_CPU_PERCENT: '100',
    },
  };
}

/** The central stack; the database's image is the lab's. */
export function central(): Stack {
  return {
    project: 'central',
    kind: 'central',
    file: CENTRAL,
    services: servicesOf(CENTRAL),
    variables: {
      TOUCHLINE_STORAGE__MIN_FREE_SPACE_GB: '1',
      TOUCHLINE_PROCESSING__OUTPUT_PRESET: 'ultrafast',
    },
    otherwise: { database: { image: BASES.postgres } },
  };
}

/** Image of a service that is built here. */
export const imageOf = ({ kind }: Stack, service: string, release: string): string =>
  `touchline-lab/${kind}-${service}:${release}`;

/** `docker-compose` for a stack of the sources in /lab/RELEASE; `share` is the engine's /lab. */
export function compose(engine: Engine, share: string, release: string, stack: Stack) {
  const over = `${stack.project}-${release}.yml`;
  const services = Object.fromEntries(
    stack.services.map((service) => [
      service,
      {
        image: imageOf(stack, service, release),
        environment: stack.variables,
        // Of the engine's own bridge nothing leads outside.
        ...(stack.otherwise?.[service] ?? { build: { network: 'host' } }),
      },
    ]),
  );
  writeFileSync(join(share, over), JSON.stringify({ version: '2.4', services }));
  const files = ['-p', stack.project, '-f', `/lab/${release}/${stack.file}`, '-f', `/lab/${over}`];
  return {
    build: (): Promise<void> => engine.runLoudly('docker-compose', ...files, 'build', ...BASE_ARGUMENTS),
    up: (): Promise<void> => engine.runLoudly('docker-compose', ...files, 'up', '-d', '--no-build'),
    down: (): Promise<void> => engine.runLoudly('docker-compose', ...files, 'down', '--volumes'),
    logs: (): Promise<string> => engine.run('docker-compose', ...files, 'logs', '--no-color', '--tail=40'),
    /** Ids of the containers by service. */
    async containers(): Promise<Map<string, string>> {
      const found = new Map<string, string>();
      for (const service of stack.services)
        found.set(service, (await engine.run('docker-compose', ...files, 'ps', '-q', service)).trim());
      return found;
    },
  };
}
export type Running = ReturnType<typeof compose>;
