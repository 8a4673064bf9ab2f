import { lookup } from 'node:dns/promises';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { SOCK_SAMPLE_BYTES, sockSample } from '#domain/chrony/sock-sample.ts';
import { parseTracking } from '#domain/chrony/tracking.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, type Program, startProgram } from '#ports/program/program.ts';
import type { RunningDaemon, TimeDaemon } from './time-daemon.ts';

/** chronyd answers within milliseconds; a busy machine may take longer. */
const START_PATIENCE_US = 10_000_000;
const ASK_AGAIN_MS = 50;
const ANSWER_PATIENCE_MS = 2000;
const LEFT_BEHIND_PATIENCE_US = 3_000_000;

export interface ChronydOptions {
  readonly clock: Clock;
  /** Sockets and the configuration; made here, closed to others, as chronyd demands. A socket's path has 107 bytes at most. */
  readonly runtimeFolder: string;
  /** What outlives a restart. */
  readonly stateFolder: string;
  /** `observe`: it measures and never touches the clock (`-x`). */
  readonly control: 'clock' | 'observe';
  /** Debian keeps it where the PATH of a service does not look. */
  readonly daemon?: string;
  readonly client?: string;
}

/** The chronyd of the operating system's package, as a child of this program. */
export function chronyd(options: ChronydOptions): TimeDaemon {
  const { clock, runtimeFolder, stateFolder, daemon = '/usr/sbin/chronyd', client = 'chronyc' } = options;
  const configFile = join(runtimeFolder, 'chrony.conf');
  const files = {
    commandSocket: join(runtimeFolder, 'chronyd.sock'),
    pidFile: join(runtimeFolder, 'chronyd.pid'),
    gnssSocket: join(runtimeFolder, 'gnss.sock'),
    driftFile: join(stateFolder, 'chrony.drift'),
  };

  const ask = async (command: string): Promise<string> => {
    const program = await startProgram(client, ['-n', '-c', '-h', files.commandSocket, command], {
      stdout: 'pipe',
    });
    let out = '';
    program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    const timer = setTimeout(() => program.child.kill('SIGKILL'), ANSWER_PATIENCE_MS);
    const end = await program.ended;
    clearTimeout(timer);
    if (end.code !== 0)
      throw new TouchlineError('time_daemon_failed', `chronyc ${command} failed: ${describeEnd(end)}`);
    return out;
  };

  /** A program that was killed leaves its chronyd running, which holds port and sockets. */
  const endLeftBehind = async (): Promise<void> => {
    const pid = Number(await readFile(files.pidFile, 'utf8').catch(absent));
    if (!Number.isInteger(pid) || pid <= 1) return;
    const commandLine = async (): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(absent);
    const isOurs = async (): Promise<boolean> => (await commandLine()).split('\0').includes(configFile);
    const endUs = clock.monoUs() + LEFT_BEHIND_PATIENCE_US;
    if (await isOurs()) process.kill(pid, 'SIGTERM');
    while ((await isOurs()) && clock.monoUs() < endUs)
      await clock.sleepUntil(clock.monoUs() + ASK_AGAIN_MS * 1000, 'end of the chronyd left behind');
    await rm(files.pidFile, { force: true });
  };

  const prepare = async (config: string): Promise<void> => {
    for (const folder of [runtimeFolder, stateFolder]) await mkdir(folder, { recursive: true });
    await chmod(runtimeFolder, 0o700);
    await endLeftBehind();
    await writeFile(configFile, config);
  };

  const answers = async (program: Program): Promise<void> => {
    const gone = program.ended.then((end) => {
      throw startFailure(describeEnd(end), end.stderr);
    });
    const endUs = clock.monoUs() + START_PATIENCE_US;
    for (;;) {
      try {
        await Promise.race([ask('tracking'), gone]);
        return;
      } catch (error) {
        const again = error instanceof TouchlineError && error.message.startsWith('chronyc');
        if (!again) throw error;
        if (clock.monoUs() > endUs) {
          await program.stop();
          throw new TouchlineError(
            'time_daemon_failed',
            `chronyd did not answer within ${START_PATIENCE_US / 1e6} s: ${error.message}`,
          );
        }
      }
      await Promise.race([clock.sleepUntil(clock.monoUs() + ASK_AGAIN_MS * 1000, 'chronyd'), gone]);
    }
  };

  return {
    files,
    async start(config): Promise<RunningDaemon> {
      await prepare(config);
      const user = userInfo();
      const program = await startProgram(daemon, [
        '-d',
        ...(options.control === 'observe' ? ['-x'] : []),
        // It runs as whoever runs this; of root's rights a container leaves it none but that to set the clock.
        ...(user.uid === 0 ? [] : ['-U']),
        ...['-u', user.username, '-f', configFile],
      ]);
      let stopped = false;
      const ended = program.ended.then((end) => (stopped ? undefined : describeEnd(end)));
      await answers(program);
      let sender: Program | undefined;
      return {
        ended,
        async addSample(sample) {
          // Node cannot send to a Unix datagram socket.
          sender ??= await startProgram(
            'socat',
            ['-u', '-b', String(SOCK_SAMPLE_BYTES), 'STDIN', `UNIX-SENDTO:${files.gnssSocket}`],
            { stdin: 'pipe' },
          );
          const current = sender;
          void current.ended.then(() => {
            if (sender === current) sender = undefined;
          });
          current.child.stdin?.write(sockSample(sample));
        },
        tracking: async () => parseTracking(await ask('tracking')),
        async stop() {
          stopped = true;
          await sender?.stop();
          await program.stop();
        },
      };
    },
    async resolve(host) {
      const found = await lookup(host).catch(() => undefined);
      return found?.address;
    },
    async setClock(epochUs) {
      const program = await startProgram('date', ['-u', '-s', `@${(epochUs / 1e6).toFixed(6)}`]);
      const end = await program.ended;
      if (end.code !== 0) throw startFailure(`date: ${describeEnd(end)}`, end.stderr);
    },
  };
}

function startFailure(how: string, stderr: readonly string[]): TouchlineError {
  const refused = stderr.some((line) => /Operation not permitted|CAP_SYS_TIME|Not superuser/.test(line));
  return refused
    ? new TouchlineError('clock_not_permitted', `the clock may not be controlled here: ${how}`)
    : new TouchlineError('time_daemon_failed', `chronyd does not run: ${how}`);
}

/** A file that is not there says nothing. */
function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT' || error.code === 'ESRCH') return '';
  throw error;
}
