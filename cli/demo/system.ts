import { join } from 'node:path';
import type { CameraId } from '#contracts/ids.ts';
import type { Shell } from '../shell.ts';
import { type ChildSpec, type SupervisedChild, superviseChild } from './child.ts';
import { type CentralClient, centralClient, type NodeClient, nodeClient } from './client.ts';
import { DEMO_MASTER, type DemoPlace } from './place.ts';

/** Services of a node, in the order they start: the broker first, so that the others find it. */
const NODE_SERVICES = ['broker', 'sync-agent', 'recorder', 'housekeeper', 'api'] as const;
const CENTRAL_PROGRAMS = ['server', 'worker'] as const;

/** How a notice begins that is a path to be copied: it is never cut. */
export const LOG_NOTICE = '  log: ';

/** A running demo: children, and clients to talk to them as any program would. */
export interface DemoSystem {
  readonly place: DemoPlace;
  readonly children: readonly SupervisedChild[];
  readonly nodes: ReadonlyMap<CameraId, NodeClient>;
  readonly master: NodeClient;
  readonly central: CentralClient;
  start(): void;
  stop(): Promise<void>;
}

/**
 * `bundles`: folder with the built bundles; then each service is a process of its own, as on a device.
 * `tell` gets a line when a child ended or was started again.
 */
export function demoSystem(
  shell: Shell,
  place: DemoPlace,
  bundles: string | undefined,
  tell: (line: string) => void,
): DemoSystem {
  const specs = bundles === undefined ? fromSource(shell, place) : fromBundles(shell, place, bundles);
  const children = specs.map((spec) =>
    superviseChild(spec, (child) => {
      if (child.state === 'running') tell(`${child.name}: started again (${child.restarts})`);
      else {
        tell(`${child.name}: ${child.lastEnd}; ${child.state}`);
        tell(`${LOG_NOTICE}${child.logFile}`);
      }
    }),
  );
  const nodes = new Map(place.nodes.map((node) => [node.cameraId, nodeClient(node.apiUrl)]));
  const master = nodes.get(DEMO_MASTER);
  if (master === undefined) throw new Error(`the demo has no ${DEMO_MASTER}`);
  return {
    place,
    children,
    nodes,
    master,
    central: centralClient(place.central.url),
    start() {
      for (const child of children) child.start();
    },
    async stop() {
      await Promise.all(children.map((child) => child.stop()));
      place.leave();
    },
  };
}

/** Four processes: three nodes and a central server, straight from the sources. */
function fromSource(shell: Shell, place: DemoPlace): ChildSpec[] {
  const main = join(shell.root, 'cli/main.ts');
  const spec = (name: string, command: string, configFile: string, logFile: string): ChildSpec => ({
    name,
    command: shell.node,
    args: [main, command, '--config', configFile, '--until-stdin-closes'],
    env: childEnv(shell),
    logFile,
  });
  return [
    spec('central', 'server', place.central.configFile, place.central.logFile),
    ...place.nodes.map((node) => spec(node.cameraId, 'node', node.configFile, node.logFile)),
  ];
}

/** One process per service that the demo has something to do for, from self-contained bundles. */
function fromBundles(shell: Shell, place: DemoPlace, bundles: string): ChildSpec[] {
  const spec = (name: string, bundle: string, configFile: string, logFile: string): ChildSpec => ({
    name,
    command: shell.node,
    args: [join(bundles, bundle), '--config', configFile, '--until-stdin-closes'],
    env: childEnv(shell),
    logFile,
  });
  const central = CENTRAL_PROGRAMS.map((name) =>
    spec(`central ${name}`, `central/${name}.mjs`, place.central.configFile, place.central.logFile),
  );
  const nodes = place.nodes.flatMap((node) =>
    NODE_SERVICES.map((name) =>
      spec(`${node.cameraId} ${name}`, `services/${name}.mjs`, node.configFile, node.logFile),
    ),
  );
  return [...central, ...nodes];
}

/** The demo's configuration is its files alone: settings of this shell are not meant for all of its nodes. */
function childEnv(shell: Shell): ChildSpec['env'] {
  return Object.fromEntries(Object.entries(shell.env).filter(([name]) => !name.startsWith('TOUCHLINE_')));
}
