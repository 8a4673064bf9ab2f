import type { CommandResult } from '#contracts/commands.ts';
import { TouchlineError, type WireError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import { keepsHostAway } from '#domain/updates/host-hold.ts';
import {
  type Around,
  type Blocker,
  blockerOf,
  NO_UPDATES,
  rollbackBlockerOf,
  step,
  type UpdateEvent,
} from '#domain/updates/machine.ts';
import { isInWindow } from '#domain/updates/window.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { ChannelState, UpdateChannel } from '#ports/update-channel/update-channel.ts';
import type { UpdateLock } from '#ports/update-lock/update-lock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createExecutor } from './executor.ts';
import { keepRecord, loadRecord } from './kept-record.ts';
import { createNeighbours } from './neighbours.ts';

export interface UpdaterDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  /** Where the history is kept. */
  readonly state: Disk;
  /** Between recording and updating. */
  readonly lock: UpdateLock;
  /** That of this container alone, by which the Supervisor is kept from choosing the moment itself. */
  readonly hold?: UpdateLock;
  /** Undefined with `updates.channel: none`: then this service only says so. */
  readonly channel: UpdateChannel | undefined;
  /** Between two looks at channel and lock, milliseconds. */
  readonly lookEveryMs?: number;
}

const LOOK_EVERY_MS = 2000;
const HISTORY_TOLD = 10;
const LEFT_PATIENCE_US = 120_000_000;

/** Reports and waits: it decides when an update may be applied, and never gets in the way of a recording. */
export function createUpdater(deps: UpdaterDeps): Unit {
  const { config, clock, bus, log, lock, channel } = deps;
  const { updates } = config;
  const control = new AbortController();
  const neighbours = createNeighbours({ config, bus, clock });
  let record = NO_UPDATES;
  let known: ChannelState | null = null;
  let problem: WireError | undefined;
  /** What an interrupted update came to is only known once the channel answers. */
  let begun = false;
  let leftSinceUs: number | undefined;
  let checkedUs: number | undefined;
  let checkedAt: string | null = null;
  let stops: (() => void)[] = [];
  /** One thing after the other: looks, commands, and what comes back from the channel. */
  let last: Promise<unknown> = Promise.resolve();

  const serial = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };

  const inWindow = (): boolean => {
    const local = new Date(clock.wallUs() / 1000);
    return isInWindow(local.getHours() * 60 + local.getMinutes(), updates.window);
  };
  /** A recorder that died is given time to come back and go on with its session. */
  const lockHolder = (): Blocker | null => {
    const holder = lock.others();
    const left = holder ? undefined : lock.left();
    if (!left) {
      leftSinceUs = undefined;
      return holder ?? null;
    }
    leftSinceUs ??= clock.monoUs();
    const { owner } = left;
    if (clock.monoUs() - leftSinceUs > LEFT_PATIENCE_US) return null;
    return { owner, reason: `${owner} ended while it held the lock (${left.reason}): it may come back` };
  };
  const around = (): Around => ({
    nowUs: clock.monoUs(),
    at: toWireTime(clock.wallUs()),
    channel: known,
    lock: lockHolder(),
    rig: known?.offer ? neighbours.rigBlocker(known.offer.version) : null,
    inWindow: inWindow(),
    policy: updates.automatic,
    missing: neighbours.missing(),
    healthPatienceUs: updates.health_patience_sec * 1e6,
  });

  const warn = (error: unknown): void => {
    const told =
      error instanceof TouchlineError
        ? error
        : new TouchlineError('internal', `the updater failed: ${(error as Error).message}`, { cause: error });
    if (told.message !== problem?.message) log.error({ err: told }, told.message);
    problem = told.toWire();
  };

  const refresh = async (): Promise<void> => {
    if (!channel) return;
    try {
      known = await channel.state(control.signal);
      problem = undefined;
    } catch (error) {
      known = null;
      if (!control.signal.aborted) warn(error);
    }
  };

  const executor = channel
    ? createExecutor({
        ...{ channel, lock, clock, log, signal: control.signal },
        letGo: () => deps.hold?.release(),
        // What comes back later waits for its turn; what is known at once does not.
        happened: (event) => serial(() => advance(event)),
      })
    : undefined;

  const advance = async (event: UpdateEvent): Promise<void> => {
    const before = record;
    const next = step(before, event, around());
    record = next.record;
    const changed = JSON.stringify(before) !== JSON.stringify(record);
    // On the disk before anything is done: whoever starts next must know what was begun.
    if (changed) await keepRecord(deps.state, record).catch(warn);
    if (before.phase !== record.phase) {
      const { phase, version, reason } = record;
      log.info({ from: before.phase, to: phase, version, reason }, 'update');
      bus.emit('update/phase', { from: before.phase, to: phase, version, reason });
    }
    const [entry] = record.history;
    if (entry && entry !== before.history[0]) bus.emit('update/ended', { entry });
    for (const action of next.actions) {
      const answer = executor?.run(action);
      if (answer) await advance(answer);
    }
    holdHost();
    publish();
  };

  const holdHost = (): void => {
    if (!deps.hold) return;
    if (!keepsHostAway(record, config, { inWindow: inWindow(), known: known !== null })) deps.hold.release();
    else if (!deps.hold.held) holdNow(deps.hold);
  };
  const holdNow = (hold: UpdateLock): void => {
    const outcome = hold.take('updates wait for their time');
    if (outcome.kind === 'failed') warn(outcome.error);
  };

  const check = async (): Promise<void> => {
    if (!channel) throw off();
    checkedUs = clock.monoUs();
    await channel.check(control.signal);
    checkedAt = toWireTime(clock.wallUs());
  };
  const checkIfDue = async (): Promise<void> => {
    const due = checkedUs === undefined || clock.monoUs() - checkedUs > updates.check_interval_min * 60e6;
    if (!due || !['idle', 'waiting', 'queued'].includes(record.phase)) return;
    // On a pitch there is no internet: nothing to worry anybody with.
    await check().catch((error: unknown) =>
      log.info({ err: error }, 'nothing new was learnt from the source of updates'),
    );
  };

  const look = async (): Promise<void> => {
    await checkIfDue();
    await refresh();
    const event: UpdateEvent = { kind: begun ? 'looked' : 'started' };
    begun ||= known !== null;
    if (known) await advance(event);
    else {
      holdHost();
      publish();
    }
  };

  const publish = (): void => {
    const { phase, current, known_as, version, reason, owner, avoided, history } = record;
    bus.setState('updater', {
      channel: channel?.name ?? 'none',
      ...{ phase, current, known_as, version, reason, owner, avoided },
      previous: known?.previous ?? null,
      progress: known?.offer?.progress ?? null,
      lock: lock.held ?? lockHolder(),
      checked_at: checkedAt,
      history: history.slice(0, HISTORY_TOLD),
      warnings: [problem, known?.refused?.error.toWire()].filter((each) => each !== undefined),
    });
  };
  const answer = (): CommandResult<'updateApply'> => ({
    phase: record.phase,
    current: record.current,
    version: record.version,
    reason: record.reason,
  });

  const refuse = (what: string, { owner, reason }: Blocker): TouchlineError =>
    new TouchlineError('update_locked', `${what} waits: ${reason}`, {
      details: { owner, reason, phase: record.phase, version: record.version },
    });

  const serve = (): void => {
    bus.handle('updateCheck', () =>
      serial(async () => {
        await check();
        await refresh();
        await advance({ kind: 'looked' });
        return answer();
      }),
    );
    bus.handle('updateApply', ({ queue, alone }, { issuedBy }) =>
      serial(async () => {
        if (!channel) throw off();
        await refresh();
        if (!known)
          throw new TouchlineError('update_source_unreachable', problem?.message ?? 'not known yet');
        await advance({ kind: 'looked' });
        const blocker = blockerOf(record, around(), alone);
        if (blocker === undefined)
          throw new TouchlineError('no_update', `${record.current} is the latest known`);
        if (blocker && !queue) throw refuse(`update ${record.version}`, blocker);
        await advance({ kind: 'asked', by: issuedBy ?? 'mqtt', alone });
        return answer();
      }),
    );
    bus.handle('updateRollback', (_input, { issuedBy }) =>
      serial(async () => {
        if (!channel) throw off();
        await refresh();
        if (known?.previous == null)
          throw new TouchlineError(
            'rollback_impossible',
            'there is no version before that this node could go to',
          );
        const blocker = rollbackBlockerOf(record, around());
        if (blocker) throw refuse(`going back to ${known.previous}`, blocker);
        await advance({ kind: 'rollback-asked', by: issuedBy ?? 'mqtt' });
        return answer();
      }),
    );
  };

  return {
    async start(signal) {
      await neighbours.start(signal);
      record = await loadRecord(deps.state, log);
      // Left by an updater that was replaced in the middle, as updates do.
      if (lock.adopt('starting')) lock.release();
      holdHost();
      serve();
      stops = [clock.every(deps.lookEveryMs ?? LOOK_EVERY_MS, 'updates', () => serial(look).catch(warn))];
      publish();
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      control.abort(new TouchlineError('shutting_down', 'the updater is stopping'));
      await last;
      await executor?.ended();
      lock.release();
      deps.hold?.release();
      await neighbours.stop();
    },
  };
}

function off(): TouchlineError {
  return new TouchlineError('updates_off', 'updates.channel is none');
}
