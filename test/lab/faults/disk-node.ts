import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RecorderState } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { startService } from '#runtime/service-main.ts';
import { nodeClient } from '../../../cli/demo/client.ts';
import { createNode } from '../../../cli/node-process.ts';

/**
 * A whole camera node in a guest that records while its disk gets into trouble: the script `HURT` is run once it records, and `HEAL` after
 * `HURT_SEC`. What comes of it is told in one line `LAB-SAY {json}`.
 */

const { CONFIG = '', HURT = '', HEAL = '', HURT_SEC = '4' } = process.env;
const POLL_MS = 100;
const PATIENCE_MS = 60_000;
const clock = systemClock();

/** What the host reads. */
export interface DiskStory {
  readonly uid: string;
  readonly start_us: number;
  readonly stop_us: number;
  readonly hurt_us: number;
  readonly healed_us: number;
  /** Codes of the recorder's faults from then on, in order. */
  readonly faults: readonly string[];
  /** Whether frames came to the disk again. */
  readonly went_on: boolean;
  /** What stands in the folder below the mount point while nothing is mounted there. */
  readonly below: readonly string[];
  readonly recorder: RecorderState | undefined;
}

function user(config: NodeConfig): Unit {
  const client = nodeClient(`http://127.0.0.1:${config.api.port}`);
  const control = new AbortController();
  const faults: string[] = [];
  let running = Promise.resolve();

  const look = async (): Promise<RecorderState | undefined> => {
    const { nodes } = await client.rig(control.signal);
    const state = nodes[0]?.status?.recorder ?? undefined;
    for (const { code } of state?.faults ?? []) if (!faults.includes(code)) faults.push(code);
    return state;
  };
  /** Undefined when it did not come. */
  const until = async (
    condition: (state: RecorderState) => boolean,
    patienceMs = PATIENCE_MS,
  ): Promise<RecorderState | undefined> => {
    const deadline = performance.now() + patienceMs;
    while (performance.now() < deadline) {
      const state = await look();
      if (state && condition(state)) return state;
      await sleep(POLL_MS, undefined, { signal: control.signal });
    }
    return undefined;
  };
  const ask = async <T>(request: () => Promise<T>): Promise<T> => {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;)
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof TouchlineError) || performance.now() > deadline) throw error;
        await sleep(POLL_MS, undefined, { signal: control.signal });
      }
  };
  const run = (script: string): number => {
    execFileSync('sh', ['-e', script], { stdio: ['ignore', 'inherit', 'inherit'] });
    return clock.wallUs();
  };

  const story = async (): Promise<DiskStory> => {
    await ask(() => client.start({ session_id: 'Disk', override: true }, control.signal));
    await until(({ recording }) => (recording?.duration_sec ?? 0) > 3);
    faults.length = 0;
    const hurtUs = run(HURT);
    await until(() => clock.wallUs() > hurtUs + Number(HURT_SEC) * 1e6);
    const mounted = execFileSync('mount').toString().includes(config.storage.path);
    const below = mounted ? [] : readdirSync(config.storage.path);
    const healedUs = run(HEAL);
    const before = await look();
    const [part, frames] = [before?.recording?.part ?? 0, before?.recording?.frames ?? 0];
    const on = await until(({ recording }) =>
      recording
        ? recording.part > part || (recording.part === part && recording.frames > frames + 15)
        : false,
    );
    await until(() => clock.wallUs() > healedUs + 5e6);
    const { session_uid, stop_at } = await ask(() => client.stop({}, control.signal));
    const { session } = await client.rig(control.signal);
    const idle = await until((state) => state.state === 'idle' && state.session_uid === null);
    await until(() => !hasJournal(config.storage.path), 20_000);
    return {
      uid: session_uid,
      start_us: fromWireTime(session?.start_at ?? stop_at),
      stop_us: fromWireTime(stop_at),
      hurt_us: hurtUs,
      healed_us: healedUs,
      faults,
      went_on: on !== undefined,
      below,
      recorder: idle ?? (await look()),
    };
  };
  return {
    async start() {
      running = story()
        .then((told) => void process.stdout.write(`LAB-SAY ${JSON.stringify(told)}\n`))
        .catch((error: unknown) => {
          if (control.signal.aborted) return;
          process.stdout.write(`LAB-FAILED ${error instanceof Error ? error.stack : String(error)}\n`);
          process.exitCode = 1;
        })
        .finally(() => process.kill(process.pid, 'SIGTERM'));
    },
    async stop() {
      control.abort(new Error('the node is stopping'));
      await running;
    },
  };
}

function hasJournal(root: string): boolean {
  return readdirSync(root, { recursive: true }).some((path) => String(path).endsWith('.journal.json'));
}

await startService(
  {
    name: 'node',
    env: {},
    schema: NodeConfig,
    create: (parts) => group(createNode(parts), user(parts.config)),
  },
  { config: CONFIG },
);
