import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';
import { Journal } from '#contracts/manifest.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RecorderState } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { readText } from '#ports/disk/disk.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { startService } from '#runtime/service-main.ts';
import { nodeClient } from '../../../cli/demo/client.ts';
import { createNode } from '../../../cli/node-process.ts';

/**
 * A whole camera node in a guest, and somebody who uses it by REST. What happens is told in lines `LAB-SAY {json}` with the guest's
 * wall clock in `at_us`. `TASK` is `record`: recover, make room, start, then record until the power fails; `film`: record `SECONDS` and end; or
 * `recover`: wait until what a power cut left is finished, stop the session if the node rejoined it, end. With `LEAVE_BYTES` the disk is
 * filled, once a recording runs, until that much is free.
 */

const { TASK = 'record', CONFIG = '', LEAVE_BYTES, SECONDS = '5' } = process.env;
const BALLAST = 'ballast';
const POLL_MS = 150;
/** Once it records, less of the machine is taken for looking at it. */
const RECORDING_POLL_MS = 500;
const START_PATIENCE_MS = 30_000;
const STOP_PATIENCE_MS = 30_000;
const clock = systemClock();

function say(line: Record<string, unknown>): void {
  process.stdout.write(`LAB-SAY ${JSON.stringify({ at_us: clock.wallUs(), ...line })}\n`);
}

/** Journals below the disk, by path, with the run that wrote each. */
async function journals(config: NodeConfig): Promise<Map<string, string | undefined>> {
  const disk = localDisk(config.storage.path);
  const found = new Map<string, string | undefined>();
  for (const { path } of await disk.list('recordings')) {
    if (!path.endsWith('.journal.json')) continue;
    const text = await readText(disk, path);
    // Recovery may have removed it meanwhile.
    if (text !== undefined) found.set(path, readRun(text));
  }
  return found;
}

function readRun(text: string): string | undefined {
  try {
    return Journal.safeParse(JSON.parse(text)).data?.run_id;
  } catch {
    return undefined;
  }
}

function readFirst(journal: string | undefined): number | undefined {
  const { data } = Journal.safeParse(journal === undefined ? undefined : JSON.parse(journal));
  return data && fromWireTime(data.base.first_frame_local);
}

/** Looks at the disk before the node runs, and uses the node once it does. */
function user(config: NodeConfig): { before: Unit; after: Unit } {
  const client = nodeClient(`http://127.0.0.1:${config.api.port}`);
  const control = new AbortController();
  const disk = localDisk(config.storage.path);
  let told: string | undefined;
  const faults = new Set<string>();

  const recorder = async (): Promise<RecorderState | undefined> => {
    const { nodes } = await client.rig(control.signal);
    const state =
      nodes.find(({ camera_id }) => camera_id === config.camera_id)?.status?.recorder ?? undefined;
    const recording = state?.recording;
    if (state && recording && recording.frames > 0) {
      if (told !== recording.file) {
        told = recording.file;
        const first_frame_us = readFirst(await readText(disk, `${recording.file}.journal.json`));
        say({ recording: recording.file, part: recording.part, first_frame_us });
      }
    }
    for (const { code, message } of state?.faults ?? []) {
      if (faults.has(code)) continue;
      faults.add(code);
      say({ fault: code, message });
    }
    return state;
  };
  const until = async (
    what: string,
    patienceMs: number,
    condition: (state: RecorderState | undefined) => boolean | Promise<boolean>,
  ): Promise<void> => {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      if (await condition(await recorder())) return;
      if (performance.now() > deadline) {
        const { services, recorder: state } = (await client.rig(control.signal)).nodes[0]?.status ?? {};
        throw new Error(
          `${patienceMs / 1000} s passed without: ${what}; ${JSON.stringify({ services, state, journals: [...(await journals(config))] })}`,
        );
      }
      await sleep(POLL_MS, undefined, { signal: control.signal });
    }
  };
  const start = async (): Promise<void> => {
    const deadline = performance.now() + START_PATIENCE_MS;
    for (;;) {
      try {
        const { start_at, session_uid } = await client.start({ override: true }, control.signal);
        say({ started: session_uid, start_at });
        return;
      } catch (error) {
        if (!(error instanceof TouchlineError) || performance.now() > deadline) throw error;
        await sleep(POLL_MS, undefined, { signal: control.signal });
      }
    }
  };

  const record = async (left: readonly string[]): Promise<void> => {
    await recover(left);
    await disk.remove(BALLAST);
    await start();
    await until('a recording', START_PATIENCE_MS, (state) => (state?.recording?.frames ?? 0) > 0);
    if (LEAVE_BYTES !== undefined) {
      const { bavail, bsize } = statfsSync(config.storage.path);
      const size = Math.max(0, bavail * bsize - Number(LEAVE_BYTES));
      execFileSync('fallocate', ['-l', String(size), join(config.storage.path, BALLAST)]);
      say({ ballast: size });
    }
    for (;;) {
      await recorder();
      await sleep(RECORDING_POLL_MS, undefined, { signal: control.signal });
    }
  };

  const film = async (): Promise<void> => {
    await start();
    await until('a recording', START_PATIENCE_MS, (state) => {
      if (state) say({ camera: state.camera, profile: state.profile });
      return (state?.recording?.duration_sec ?? 0) >= Number(SECONDS);
    });
    await client.stop({}, control.signal);
    await until('idle', STOP_PATIENCE_MS, (state) => state?.state === 'idle');
    end();
  };

  const recover = async (left: readonly string[]): Promise<void> => {
    say({ left });
    await until('what was left is finished', STOP_PATIENCE_MS, async () => {
      const now = await journals(config);
      return left.every((path) => !now.has(path));
    });
    say({ recovered: left });
    let stopped: string | undefined;
    await until('idle, with nothing unfinished', STOP_PATIENCE_MS, async (state) => {
      const { session } = await client.rig(control.signal);
      // The session that the power interrupted goes on by itself: here it ends.
      if (session?.state === 'recording' && session.session_uid !== stopped) {
        await client.stop({ session_uid: session.session_uid }, control.signal);
        stopped = session.session_uid;
        say({ stopped });
      }
      return state?.state === 'idle' && session?.state !== 'recording' && (await journals(config)).size === 0;
    });
    say({ idle: true });
  };
  const end = (): void => void process.kill(process.pid, 'SIGTERM');

  let left: string[] = [];
  let using = Promise.resolve();
  const before: Unit = {
    async start() {
      left = [...(await journals(config)).keys()];
    },
    stop: () => Promise.resolve(),
  };
  const after: Unit = {
    async start() {
      say({ node: 'started' });
      const tasks = { record: () => record(left), film, recover: () => recover(left).then(end) };
      using = tasks[TASK as keyof typeof tasks]().catch((error: unknown) => {
        if (control.signal.aborted) return;
        say({ failed: error instanceof Error ? error.message : String(error) });
        process.exitCode = 1;
        process.kill(process.pid, 'SIGTERM');
      });
    },
    async stop() {
      control.abort(new Error('the node is stopping'));
      await using;
    },
  };
  return { before, after };
}

say({ program: 'started' });
await startService(
  {
    name: 'node',
    env: {},
    schema: NodeConfig,
    create: (parts) => {
      const { before, after } = user(parts.config);
      return group(before, createNode(parts), after);
    },
  },
  { config: CONFIG },
);
