import { TouchlineError } from '#contracts/errors.ts';
import type { UpdateAction, UpdateEvent } from '#domain/updates/machine.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { UpdateChannel } from '#ports/update-channel/update-channel.ts';
import type { UpdateLock } from '#ports/update-lock/update-lock.ts';
import type { Logger } from '#runtime/logger.ts';

/** Does what the state machine says. */
export interface Executor {
  /** Begins it. What is known at once is returned; the rest is told by `happened`. */
  run(action: UpdateAction): UpdateEvent | undefined;
  /** Resolves when nothing of it runs any more. */
  ended(): Promise<void>;
}

/** Between downloads of which one failed. */
const DOWNLOAD_AGAIN_US = 60_000_000;

export function createExecutor(deps: {
  readonly channel: UpdateChannel;
  readonly lock: UpdateLock;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The Supervisor may act from now on. */
  readonly letGo: () => void;
  readonly happened: (event: UpdateEvent) => Promise<void>;
}): Executor {
  const { channel, lock, clock, log, signal } = deps;
  const running = new Set<Promise<void>>();
  let downloading = false;
  let downloadFromUs = 0;

  const inBackground = (what: string, work: () => Promise<void>): void => {
    const run = work()
      .catch((error: unknown) => {
        if (!signal.aborted) log.error({ err: error }, `${what} failed`);
      })
      .finally(() => running.delete(run));
    running.add(run);
  };

  const download = (version: string): void => {
    if (downloading || clock.monoUs() < downloadFromUs) return;
    downloading = true;
    inBackground('download', async () => {
      try {
        await channel.download(version, signal);
      } catch (error) {
        downloadFromUs = clock.monoUs() + DOWNLOAD_AGAIN_US;
        if (!signal.aborted) await deps.happened({ kind: 'failed', reason: (error as Error).message });
        throw error;
      } finally {
        downloading = false;
      }
    });
  };

  /** Under the lock from before it begins until it is handed over; without it nothing begins. */
  const underLock = (reason: string, work: () => Promise<void>): UpdateEvent | undefined => {
    const outcome = lock.take(reason);
    if (outcome.kind === 'taken') return { kind: 'refused', by: outcome.by };
    if (outcome.kind === 'failed') return { kind: 'failed', reason: outcome.error.message };
    deps.letGo();
    inBackground(reason, async () => {
      let came: UpdateEvent | undefined;
      try {
        await work();
      } catch (error) {
        came = eventOf(error);
        throw error;
      } finally {
        lock.release();
        if (came && !signal.aborted) await deps.happened(came);
      }
    });
    return undefined;
  };

  return {
    run(action) {
      switch (action.do) {
        case 'download':
          download(action.version);
          return undefined;
        case 'apply':
          return underLock(`update ${action.version} is being applied`, () =>
            channel.apply(action.version, signal),
          );
        case 'rollback':
          return underLock('the version before is being restored', () => channel.rollback(signal));
        case 'confirm':
          inBackground('confirming the version', () => channel.confirm(action.version, signal));
          return undefined;
      }
    },
    async ended() {
      await Promise.all(running);
    },
  };
}

function eventOf(error: unknown): UpdateEvent {
  const { message } = error as Error;
  return error instanceof TouchlineError && error.code === 'update_locked'
    ? { kind: 'refused', by: { owner: 'lock', reason: message } }
    : { kind: 'failed', reason: message };
}
