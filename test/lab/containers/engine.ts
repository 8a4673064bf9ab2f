import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, readFileSync, rmdirSync } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cached } from '../machine/cache.ts';
import { run, runLoudly } from '../machine/run.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SUITE = 'bookworm';
const PACKAGES = ['docker.io', 'docker-compose', 'tini', 'iproute2', 'ca-certificates'];
const LEFT_OUT = ['doc', 'man', 'locale', 'info'].map(
  (folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`,
);
const READY_MS = 120_000;
const POLL_MS = 200;
const STOP_MS = 60_000;

/** A Docker engine of this lab alone, in namespaces of its own: whatever it started ends with it. */
export interface Engine {
  /** Its network: what containers with `network_mode: host` see, as nsenter takes it. */
  readonly network: string;
  /** Runs a program inside and returns what it printed; the folder of the engine is /lab there, the checkout /product. */
  run(command: string, ...args: string[]): Promise<string>;
  /** The same for what takes minutes: it is shown on stderr as it goes. */
  runLoudly(command: string, ...args: string[]): Promise<void>;
  /** Processes of a container, by their ids on this machine. */
  processes(container: string): number[];
  stop(): Promise<void>;
}

export interface EngineOptions {
  readonly root: string;
  /** Images and volumes lie there. */
  readonly data: string;
  /** Is /lab inside. */
  readonly share: string;
  /** `host`: builds reach npm and Debian; `own`: a network that nobody else sees, with nothing but loopback. */
  readonly network: 'host' | 'own';
}

/** The root of the engine, a folder with Debian and its Docker in it; made once. */
export async function engineRoot(log: (line: string) => void): Promise<string> {
  const folder = await cached(`engine-${hashOf([SUITE, PACKAGES])}`, log, async (making) => {
    log('making the root of the Docker engine with mmdebstrap, once: a few minutes, 600 MB …');
    await debian(join(making, 'root'), PACKAGES);
  });
  return join(folder, 'root');
}

/** Debian alone as a tar file: what stands for the official image where no registry is in reach; made once. */
export async function debianTar(log: (line: string) => void): Promise<string> {
  const folder = await cached(`debian-${hashOf([SUITE])}`, log, async (making) => {
    log('making the base image with mmdebstrap, once: a few minutes …');
    await debian(join(making, 'debian.tar'), []);
  });
  return join(folder, 'debian.tar');
}

const debian = (target: string, packages: readonly string[]): Promise<void> =>
  runLoudly('mmdebstrap', [
    ...['--quiet', '--variant=minbase', '--dpkgopt=force-unsafe-io', ...LEFT_OUT],
    ...(packages.length === 0 ? [] : [`--include=${packages.join(',')}`]),
    '--aptopt=APT::Install-Recommends "false"',
    ...[SUITE, target],
  ]);

const hashOf = (what: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify([what, LEFT_OUT]))
    .digest('hex')
    .slice(0, 12);

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

let engines = 0;

/** Starts an engine and waits until it answers. */
export async function startEngine({ root, data, share, network }: EngineOptions): Promise<Engine> {
  await mkdir(data, { recursive: true });
  // Containers that a lab left when it was killed would start again, in this engine's network. Images stay.
  for (const left of ['containers', 'volumes', 'network'])
    await rm(join(data, left), { recursive: true, force: true });
  await copyFile(join(import.meta.dirname, 'lab-runc'), join(share, 'lab-runc'));
  const cgroup = `touchline-lab-${process.pid}-${engines++}`;
  const child = spawn(
    'setpriv',
    [
      ...['--pdeathsig=KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child=KILL'],
      ...(network === 'own' ? ['--net'] : []),
      ...['sh', join(import.meta.dirname, 'engine-init'), root, data, share, ROOT, `/${cgroup}`],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  running.add(child);
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      running.delete(child);
      resolve();
    }),
  );
  const inside = async (command: string, args: readonly string[]): Promise<string[]> => [
    `--target=${await firstProcess(child)}`,
    ...['--mount', '--pid', '--net', '--root', '--wdns=/product', 'env', '-i'],
    ...['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/tmp', 'DOCKER_HOST=unix:///lab/docker.sock'],
    ...['DOCKER_BUILDKIT=1', 'COMPOSE_DOCKER_CLI_BUILD=1', 'BUILDKIT_PROGRESS=plain', 'LANG=C.UTF-8'],
    ...['COMPOSE_HTTP_TIMEOUT=600', command, ...args],
  ];
  const engine: Engine = {
    network: '',
    async run(command, ...args) {
      return (await run('nsenter', await inside(command, args))).stdout;
    },
    async runLoudly(command, ...args) {
      await runLoudly('nsenter', await inside(command, args));
    },
    processes: (container) =>
      globSync(`/sys/fs/cgroup/{memory,}/${cgroup}/${container}*/cgroup.procs`).flatMap((file) =>
        readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number),
      ),
    async stop() {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      // The engine itself, which stops its containers; not the shell that waits for it.
      const pid = await firstProcess(child).catch(() => undefined);
      if (pid !== undefined) process.kill(pid, 'SIGTERM');
      await ended;
      clearTimeout(timer);
      // What the kernel keeps of the control groups when all processes are gone.
      for (const folder of globSync(`/sys/fs/cgroup/{*/,}${cgroup}/*`)) removeEmpty(folder);
      for (const folder of globSync(`/sys/fs/cgroup/{*/,}${cgroup}`)) removeEmpty(folder);
    },
  };
  const deadline = performance.now() + READY_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the Docker engine ended: ${lastLines(join(share, 'dockerd.log'))}`);
    try {
      await engine.run('docker', 'version');
      return { ...engine, network: `/proc/${await firstProcess(child)}/ns/net` };
    } catch (error) {
      if (performance.now() < deadline) await sleep(POLL_MS);
      else {
        await engine.stop();
        throw new Error(
          `waited ${READY_MS / 1000} s for the Docker engine: ${lastLines(join(share, 'dockerd.log'))}`,
          { cause: error },
        );
      }
    }
  }
}

/** The one child of unshare: process 1 inside. */
async function firstProcess(child: ChildProcess): Promise<number> {
  const { stdout } = await run('cat', [`/proc/${child.pid}/task/${child.pid}/children`]);
  const pid = Number(stdout.trim().split(' ')[0]);
  if (!Number.isInteger(pid) || pid < 1) throw new Error('the engine has no process yet');
  return pid;
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!['ENOTDIR', 'EPERM', 'EBUSY', 'ENOTEMPTY', 'ENOENT'].includes(code ?? '')) throw error;
  }
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
  } catch {
    return 'it wrote no log';
  }
}
