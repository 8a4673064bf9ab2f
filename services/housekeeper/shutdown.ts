import type { ShutdownStep } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RecorderState } from '#contracts/states.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { HostPower } from '#ports/host-power/host-power.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';

/** A recording ends within a second; a disk that is slow gets longer. */
const FINALIZED_PATIENCE_US = 30_000_000;
const LOOK_AGAIN_US = 50_000;
const STOP_PATIENCE_MS = 5000;
const CONFIRMATIONS = 2;

/** Serves the safe shutdown: nothing that is being recorded is lost, and each step is told. */
export function serveShutdown(deps: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  /** None where the configuration does not allow it. */
  readonly power: HostPower | undefined;
  readonly recorder: () => RecorderState | undefined;
  /** Whether the rig's record says that a session runs. */
  readonly rigRecords: () => boolean;
  /** Waits for what this service writes. */
  readonly written: () => Promise<void>;
  readonly signal: AbortSignal;
}): void {
  const { config, clock, bus, log, power, recorder, rigRecords, signal } = deps;
  const { camera_id } = config;
  let running: Promise<ShutdownStep[]> | undefined;

  /** Undefined only when it is certain that nothing is being recorded: while the broker or the recorder is away, nobody knows. */
  const openSession = (): string | undefined => {
    if (!bus.connected) return 'cut off from its broker, and may be recording';
    const state = recorder();
    if (!state) return 'without its recorder, and may have been recording';
    if (state.session_uid !== null) return state.state;
    return rigRecords() ? 'part of a session that runs' : undefined;
  };

  const finalized = async (): Promise<void> => {
    const endUs = clock.monoUs() + FINALIZED_PATIENCE_US;
    for (;;) {
      const state = recorder();
      // Without a recorder nothing is written; what it left is finished at the next start.
      if (!state || state.session_uid === null) return;
      if (clock.monoUs() > endUs)
        throw new TouchlineError(
          'conflict',
          `the recorder is still ${state.state} after ${FINALIZED_PATIENCE_US / 1e6} s: the machine stays on`,
        );
      await clock.sleepUntil(clock.monoUs() + LOOK_AGAIN_US, 'the end of the recording', signal);
    }
  };

  const stopRecorder = async (): Promise<void> => {
    try {
      await bus.request(camera_id, 'stop', {}, { timeoutMs: STOP_PATIENCE_MS, issuedBy: 'shutdown' });
    } catch (error) {
      // It ended by itself, or there is no recorder that writes.
      const { code } = error as { code?: string };
      if (code !== 'not_recording' && code !== 'illegal_transition' && recorder() !== undefined) throw error;
    }
  };

  const shutDown = async (off: HostPower, isOpen: boolean): Promise<ShutdownStep[]> => {
    const done: ShutdownStep[] = [];
    const step = async (name: ShutdownStep, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        const { message } = error as Error;
        bus.emit('shutdown/step', { step: name, ok: false, message });
        log.error({ err: error, step: name }, 'the shutdown ends here: the machine stays on');
        throw error;
      }
      done.push(name);
      bus.emit('shutdown/step', { step: name, ok: true, message: null });
      log.info({ step: name }, 'shutdown');
    };
    if (isOpen) await step('stop', stopRecorder);
    await step('finalize', finalized);
    await step('write', deps.written);
    // Whatever began meanwhile is not cut off.
    await step('power-off', async () => {
      if (recorder()?.session_uid != null)
        throw new TouchlineError('already_recording', 'a recording began meanwhile: the machine stays on');
      await off.powerOff();
    });
    return done;
  };

  bus.handle('shutdown', async ({ confirmations }) => {
    if (power === undefined)
      throw new TouchlineError(
        'power_refused',
        `${camera_id} may not power its machine off: power.off is none`,
        {
          field: 'power.off',
        },
      );
    const open = openSession();
    if (open !== undefined && confirmations < CONFIRMATIONS)
      throw new TouchlineError(
        'already_recording',
        `${camera_id} is ${open}: it stays on, unless confirmations is ${CONFIRMATIONS}`,
        { field: 'confirmations' },
      );
    // Asked again while it is under way, it is the same shutdown.
    running ??= shutDown(power, open !== undefined).finally(() => {
      running = undefined;
    });
    return { camera_id, steps: await running };
  });
}
