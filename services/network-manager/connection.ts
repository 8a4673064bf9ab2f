import { TouchlineError, type WireError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import { type JoinFailure, works } from '#domain/network/link.ts';
import {
  type NetworkHappening,
  type NetworkMachine,
  type NetworkTask,
  startMachine,
  step,
} from '#domain/network/machine.ts';
import { networkPlan } from '#domain/network/plan.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Network } from '#ports/network/network.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** Keeps the node on the best network there is: carries out what the state machine decides. */
export interface Connection extends Unit {
  readonly machine: NetworkMachine;
  readonly since: string;
  readonly warnings: readonly WireError[];
  /** Something that matters from elsewhere: whether something records, or what another node sees. */
  happened(happening: NetworkHappening): void;
}

const TICK_MS = 1000;
/** Also without a signal the link is read now and then: what NetworkManager says of stations and of signals comes without one. */
const READ_LINK_US = 5_000_000;
/** Without what controls the network it is asked for again. */
const RETRY_US = 5_000_000;

export function createConnection(deps: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: Network;
  readonly onChange: () => void;
}): Connection {
  const { config, clock, log, network } = deps;
  const plan = networkPlan(config);
  const nowSec = (): number => clock.monoUs() / 1e6;
  let machine = startMachine(nowSec());
  let since = toWireTime(clock.wallUs());
  let failure: TouchlineError | undefined;
  let stopWatching: (() => void) | undefined;
  let stopTicking: (() => void) | undefined;
  let triedUs = Number.NEGATIVE_INFINITY;
  let readUs = Number.NEGATIVE_INFINITY;
  let working: Promise<void> = Promise.resolve();
  /** Ends the change under way, if there is one. */
  let change: { readonly control: AbortController; readonly fromWorking: boolean } | undefined;
  let stopped = false;

  const giveUp = (why: string): void => {
    if (change === undefined || change.control.signal.aborted) return;
    log.info(why);
    change.control.abort(new TouchlineError('network_failed', why));
  };

  const happened = (happening: NetworkHappening): void => {
    if (stopped) return;
    const before = machine;
    const { machine: next, task } = step(machine, happening, nowSec(), plan);
    machine = next;
    if (before.mode !== next.mode) {
      since = toWireTime(clock.wallUs());
      log.info({ from: before.mode, to: next.mode, recording: next.recording }, next.reason);
    }
    // What it leaves worked: the recording begins on that.
    if (next.recording && !before.recording && change?.fromWorking)
      giveUp('a recording begins: the network stays what it was');
    deps.onChange();
    if (task) working = carryOut(task, next.link !== null && works(next.link));
  };

  /** What each task is done by; what it resolves to goes back into the machine. */
  const executors: {
    [K in NetworkTask['kind']]: (
      task: Extract<NetworkTask, { kind: K }>,
      signal: AbortSignal,
    ) => Promise<NetworkHappening>;
  } = {
    async look() {
      const hidden = config.network.home.filter((each) => each.hidden).map(({ ssid }) => ssid);
      return { kind: 'done', networks: await network.look(hidden) };
    },
    async join({ ssid }, signal) {
      const home = config.network.home.find((each) => each.ssid === ssid);
      await network.join(home ?? { ssid, key: config.network.access_point.key, hidden: false }, signal);
      return { kind: 'done' };
    },
    async open(_task, signal) {
      const { key, channel, address } = config.network.access_point;
      // The configuration is refused without a key.
      if (key === undefined) throw new TouchlineError('network_failed', 'the access point has no key');
      await network.open({ ssid: plan.own, key, channel, address }, signal);
      return { kind: 'done' };
    },
  };
  const carryOut = async (task: NetworkTask, fromWorking: boolean): Promise<void> => {
    const control = new AbortController();
    change = { control, fromWorking };
    let outcome: NetworkHappening;
    try {
      const execute = executors[task.kind] as (
        of: NetworkTask,
        signal: AbortSignal,
      ) => Promise<NetworkHappening>;
      outcome = await execute(task, control.signal);
      log.debug({ task, outcome }, 'network task done');
    } catch (error) {
      const told = asFailure(error);
      log.warn({ task, reason: reasonOf(told) }, told.message);
      outcome =
        error === control.signal.reason ? { kind: 'given-up' } : { kind: 'failed', reason: reasonOf(told) };
    }
    change = undefined;
    if (stopped) return;
    await readLink();
    happened(outcome);
  };

  const fail = (error: unknown): void => {
    const told = asFailure(error);
    if (failure?.message !== told.message) log.error({ err: told }, told.message);
    failure = told;
    happened({ kind: 'link', link: null });
  };
  const readLink = async (): Promise<void> => {
    readUs = clock.monoUs();
    try {
      happened({ kind: 'link', link: await network.link() });
      failure = undefined;
    } catch (error) {
      fail(error);
    }
  };
  const watch = async (): Promise<void> => {
    triedUs = clock.monoUs();
    try {
      const stop = await network.watch((event) => {
        if (event.kind === 'changed') {
          happened({ kind: 'link', link: event.link });
          return;
        }
        stopWatching?.();
        stopWatching = undefined;
        fail(event.error);
      });
      if (stopped) return stop();
      stopWatching = stop;
      await readLink();
    } catch (error) {
      fail(error);
    }
  };
  const tick = async (): Promise<void> => {
    if (stopWatching === undefined) {
      if (clock.monoUs() - triedUs >= RETRY_US) await watch();
    } else if (clock.monoUs() - readUs >= READ_LINK_US) await readLink();
    happened({ kind: 'tick' });
  };

  return {
    get machine() {
      return machine;
    },
    get since() {
      return since;
    },
    get warnings() {
      return failure === undefined ? [] : [failure.toWire()];
    },
    happened,
    async start() {
      stopTicking = clock.every(TICK_MS, 'network', tick);
      await watch();
    },
    async stop() {
      stopTicking?.();
      stopped = true;
      // The network stays as it is, and one that is left half-way is what it was: a service that restarts must not disturb anybody on it.
      giveUp('the service stops');
      await working;
      stopWatching?.();
    },
  };
}

function asFailure(error: unknown): TouchlineError {
  if (error instanceof TouchlineError) return error;
  return new TouchlineError('network_failed', `the network: ${(error as Error).message}`, { cause: error });
}

function reasonOf({ details }: TouchlineError): JoinFailure {
  const reason = details?.reason;
  return reason === 'wrong_key' || reason === 'not_found' || reason === 'no_address' ? reason : 'failed';
}
