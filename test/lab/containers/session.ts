import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { SERVICES } from '#contracts/ids.ts';
import type { Engine } from './engine.ts';
import { mib, pssBytes } from './measure.ts';
import { CENTRAL_HTTP_PORT, fleet, MASTER, NODES, RIG, type Running, type Stack } from './stacks.ts';

const RECORD_SEC = 20;
const HEALTHY_MS = 600_000;
const POLL_MS = 2000;

/** Bits of capabilities that a service keeps (linux/capability.h); all others have none. */
const KEPT: Readonly<Record<string, bigint>> = {
  // CAP_SYS_TIME, CAP_NET_BIND_SERVICE
  'sync-agent': (1n << 25n) | (1n << 10n),
};
/** Who is root without rights, for D-Bus of a host without polkit. */
const ROOTS = ['sync-agent', 'housekeeper', 'network-manager'];
const NODE_UID = 1000;

/** Starts the stacks, records a session through them and says what came of it; what does not hold is added to `failures`. */
export async function record(
  engine: Engine,
  stacks: readonly { stack: Stack; running: Running }[],
  failures: string[],
  log: (line: string) => void,
): Promise<Record<string, unknown>> {
  for (const { stack, running } of stacks) {
    log(`starting ${stack.project} …`);
    await running.up();
  }
  const containers = new Map<string, Map<string, string>>();
  for (const { stack, running } of stacks) containers.set(stack.project, await running.containers());
  const node = containers.get(fleet(MASTER).project) ?? new Map<string, string>();

  const rig = useRig(engine);
  try {
    const idle = await rig.until('idle');
    const healthy = await waitForHealth(
      engine,
      [...containers.values()].flatMap((each) => [...each]),
    );
    failures.push(...healthy.failures, ...wrongRights(engine, node));
    const idleMemory = memoryOf(engine, node);
    rig.go();
    const recording = await rig.until('recording');
    log(`recording ${recording.session_id} …`);
    const recordingMemory = memoryOf(engine, node);
    rig.go();
    const offloaded = (await rig.until('offloaded')).recordings as { frames: number }[];
    const { panorama } = (await rig.until('stitched')) as { panorama: { width: number } };
    await rig.ended;
    const restarts = await restartsOf(engine, node);
    if (restarts > 0) failures.push(`containers of the node were started again ${restarts} times`);
    return {
      healthy: healthy.count,
      ready_sec: idle.ready_sec,
      idle_mib: idleMemory.all,
      idle_services_mib: idleMemory.services,
      recording_mib: recordingMemory.all,
      recording_services_mib: recordingMemory.services,
      offloaded: offloaded.length,
      recordings: offloaded,
      panorama_width: panorama.width,
      panorama,
    };
  } finally {
    rig.end();
  }
}

/** The program that uses the rig, in the network of the containers. */
function useRig(engine: Engine) {
  const http = (port: number): string => `http://127.0.0.1:${port}`;
  const wanted = {
    rig: RIG,
    master: MASTER.camera,
    seconds: RECORD_SEC,
    mqtt: `mqtt://127.0.0.1:${MASTER.mqtt}`,
    central: http(CENTRAL_HTTP_PORT),
    nodes: NODES.map((node) => ({ camera: node.camera, http: http(node.http) })),
  };
  const program = join(import.meta.dirname, '../programs/containers-rig.ts');
  const child = spawn(
    'nsenter',
    [`--net=${engine.network}`, process.execPath, program, JSON.stringify(wanted)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`what uses the rig ended with ${code}; it said why above`);
  });
  ended.catch(() => undefined);
  return {
    ended,
    async until(step: string): Promise<Record<string, unknown>> {
      const next = await lines.next();
      if (next.done) {
        await ended;
        throw new Error(`it ended before: ${step}`);
      }
      const said = JSON.parse(next.value) as Record<string, unknown>;
      if (said.step !== step) throw new Error(`expected ${step}, it said ${next.value}`);
      return said;
    },
    go: (): void => void child.stdin.write('go\n'),
    end: (): void => void child.kill('SIGKILL'),
  };
}

/** Waits until the health check of every container says that it is well. */
async function waitForHealth(
  engine: Engine,
  containers: readonly (readonly [string, string])[],
): Promise<{ count: number; failures: string[] }> {
  const deadline = performance.now() + HEALTHY_MS;
  for (;;) {
    const states: [string, string][] = [];
    for (const [service, id] of containers)
      states.push([
        service,
        (await engine.run('docker', 'inspect', '--format={{.State.Health.Status}}', id)).trim(),
      ]);
    const ill = states.filter(([, state]) => state !== 'healthy');
    if (ill.length === 0 || performance.now() > deadline)
      return {
        count: states.length - ill.length,
        failures: ill.map(([service, state]) => `${service} is ${state}`),
      };
    await sleep(POLL_MS);
  }
}

/** Node processes of the services that have a right or a user they should not have. */
function wrongRights(engine: Engine, containers: ReadonlyMap<string, string>): string[] {
  return [...containers].flatMap(([service, id]) => {
    if (!SERVICES.some((each) => each === service)) return [`${service} is no service of the contracts`];
    // Not those of a health check, which an engine starts with the rights of the container.
    const statuses = engine
      .processes(id)
      .filter((pid) => readProcess(pid, 'cmdline').includes(`${service}.mjs`))
      .map((pid) => readProcess(pid, 'status'))
      .filter((status) => /^Name:\s+(node|MainThread)$/m.test(status));
    if (statuses.length === 0) return [`${service}: its process was not found`];
    return statuses.flatMap((status) => {
      const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
      const uid = Number(field('Uid'));
      const may = BigInt(`0x${field('CapBnd')}`) | BigInt(`0x${field('CapEff')}`);
      const wanted = ROOTS.includes(service) ? 0 : NODE_UID;
      return [
        ...(uid === wanted ? [] : [`${service} runs as ${uid}, not ${wanted}`]),
        ...((may & ~(KEPT[service] ?? 0n)) === 0n ? [] : [`${service} kept the rights ${may.toString(16)}`]),
        ...(field('NoNewPrivs') === '1' ? [] : [`${service} may gain rights`]),
      ];
    });
  });
}

/** A file of /proc; empty when the process has ended. */
function readProcess(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

/** Memory of a node's containers, MiB. */
function memoryOf(
  engine: Engine,
  containers: ReadonlyMap<string, string>,
): { all: number; services: Record<string, number> } {
  const bytes = [...containers].map(([service, id]) => [service, pssBytes(engine.processes(id))] as const);
  return {
    all: mib(bytes.reduce((sum, [, each]) => sum + each, 0)),
    services: Object.fromEntries(bytes.map(([service, each]) => [service, mib(each)])),
  };
}

async function restartsOf(engine: Engine, containers: ReadonlyMap<string, string>): Promise<number> {
  let sum = 0;
  for (const id of containers.values())
    sum += Number(await engine.run('docker', 'inspect', '--format={{.RestartCount}}', id));
  return sum;
}
