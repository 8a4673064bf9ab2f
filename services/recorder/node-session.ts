import type { CommandArguments, CommandResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession, SessionState } from '#contracts/session.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { softlyRefused } from '#domain/barrier/second-start.ts';
import { gatesOpen, overridable } from '#domain/gates/gates.ts';
import { nextState, type SessionEvent } from '#domain/session/machine.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';
import type { ArmedCamera } from './armed.ts';
import { busyAnswer } from './busy-answer.ts';
import type { Choice, Devices } from './devices.ts';
import type { Faults } from './faults.ts';
import { createInstants } from './instants.ts';
import type { RigClock } from './rig-clock.ts';
import type { CameraRun, Take } from './take.ts';
import type { UpdateHold } from './update-hold.ts';

export interface NodeSessionDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  readonly devices: Devices;
  readonly faults: Faults;
  readonly rig: () => RigClock;
  readonly updates: UpdateHold;
  /** Aborts when the service stops. */
  readonly signal: AbortSignal;
  /** A take is about to need the camera. */
  readonly yieldCamera: () => void;
  /** Runs the camera, keeping what it shows. */
  readonly armCamera: (choice: Choice) => ArmedCamera;
  readonly openTake: (opening: Opening) => Take;
  /** State to publish has changed. */
  readonly changed: () => void;
}

/** What a take is opened with. */
export interface Opening {
  readonly session: { readonly session_uid: string; readonly session_id: string };
  readonly choice: Choice;
  readonly overridden: readonly Gate[];
  readonly armed: CameraRun | undefined;
  readonly onRecording: () => void;
}

/** The session this node is in: one state machine, at most one take. */
export interface NodeSession {
  readonly state: SessionState;
  readonly take: Take | undefined;
  /** When arming expires, by the local clock. */
  readonly armedUntil: string | null;
  /** Settles when a camera that was disarmed is closed. */
  readonly released: Promise<void>;
  gates(): Gate[];
  prepare(input: CommandArguments<'prepare'>): Promise<CommandResult<'prepare'>>;
  start(input: CommandArguments<'start'>): CommandResult<'start'>;
  stop(input: CommandArguments<'stop'>): CommandResult<'stop'>;
  arm(): Promise<CommandResult<'arm'>>;
  disarm(): Promise<CommandResult<'disarm'>>;
  /** Throws `illegal_transition` unless nothing goes on; `what` is named. */
  requireIdle(what: string): void;
  answer(): CommandResult<'stop'>;
  /** The rig's record; followed again whenever something ends here. */
  follow(session?: RigSession): void;
  /** Ends the file at hand, not the rig's session, and waits for it. */
  close(): Promise<void>;
}

/** A prepared session that nobody starts is given up after this. */
const PREPARED_PATIENCE_MS = 8000;
/** A new start waits this long for the files of the last one to be finished. */
const FINALIZING_PATIENCE_MS = 800;
/** A node that has just started learns the rig's time before it joins in: parts are placed by it. */
const LEARN_TIME_US = 2_000_000;

const unlessAborted = (signal: AbortSignal) => (error: unknown) => {
  if (!signal.aborted) throw error;
};

export function createNodeSession(deps: NodeSessionDeps): NodeSession {
  const { config, clock, bus, log, devices, faults, rig, signal, changed } = deps;
  let state: SessionState = 'idle';
  let take: Take | undefined;
  let armed:
    | {
        readonly camera: ArmedCamera;
        readonly choice: Choice;
        readonly until: string;
        readonly over: AbortController;
      }
    | undefined;
  let preparation: { rank: number; gates: Gate[]; maxDurationSec: number } | undefined;
  let rigSession: RigSession | undefined;
  const instants = createInstants({ rig, clock, log, startLeadUs: config.sync.start_lead_ms * 1000 });
  const createdUs = clock.monoUs();
  /** Openings that are looked at: a self-test that began now would be in their way. */
  let pending = 0;
  /** Settles when a camera that was disarmed is closed. */
  let released: Promise<void> = Promise.resolve();
  /** Aborts when the take that is open now is over. */
  let over = new AbortController();
  /** Sessions that ended here by themselves or by a command to this node: their record does not bring them back. */
  const ended = new Set<string>();

  const transition = (event: SessionEvent, reason: string): void => {
    const next = nextState(state, event);
    if (next === undefined) throw refuse(`"${event}"`);
    bus.emit('session/transition', { from: state, to: next, session_uid: take?.sessionUid ?? null, reason });
    log.info({ from: state, to: next, session: take?.sessionId }, reason);
    state = next;
    if (isQuiet()) deps.updates.release();
    changed();
  };

  const refuse = (what: string): TouchlineError =>
    new TouchlineError('illegal_transition', `${what} does not fit the state ${state}`, {
      details: { state, session_uid: take?.sessionUid ?? null },
    });

  const isQuiet = (): boolean => state === 'idle' || state === 'error';

  const gates = (): Gate[] => devices.gates(rig().reading(), deps.updates.reading());

  /** What is found after the update lock was asked for: until the session is open, or that is given up, nothing is awaited. */
  const gatesLocked = (session: Opening['session']): Gate[] => {
    deps.updates.take(`session ${session.session_id}`);
    return gates();
  };

  /** Opens a session: the camera starts, nothing is written before `commit`. */
  const open = (session: Opening['session'], choice: Choice, overridden: Gate[], reason: string): Take => {
    faults.clear();
    over = new AbortController();
    deps.yieldCamera();
    const run = armed?.camera.handOver();
    armed?.over.abort();
    armed = undefined;
    const opened = deps.openTake({
      session,
      choice,
      overridden,
      armed: run,
      onRecording: () => {
        // Whatever it was, it records again; that it was interrupted is told by the number of its part.
        faults.clear();
        if (state === 'preparing') transition('begin', 'the first frames are in the file');
        else changed();
      },
    });
    opened.done
      .then(
        () => finished(opened),
        (error: unknown) => defect(opened, error),
      )
      .catch((error: unknown) => faults.addUnknown(error));
    take = opened;
    transition('prepare', reason);
    return opened;
  };

  const finished = (closed: Take): void => {
    if (take !== closed) return;
    over.abort();
    preparation = undefined;
    faults.clear();
    if (state === 'recording') transition('stop', 'the recording ended');
    if (state === 'finalizing') transition('finished', 'all files are finished');
    else if (state === 'preparing') transition('give-up', 'nothing was recorded');
    take = undefined;
    changed();
    follow();
  };

  const defect = (closed: Take, error: unknown): void => {
    faults.add(
      error instanceof TouchlineError
        ? error
        : new TouchlineError('internal', 'recording failed', { cause: error }),
    );
    if (take !== closed) return;
    over.abort();
    preparation = undefined;
    transition('fail', 'recording failed');
    take = undefined;
    changed();
  };

  const commit = (target: Take, startAtUs: number, maxDurationSec: number): void => {
    const startMonoUs = instants.startMonoOf(startAtUs);
    target.commit(startMonoUs, startAtUs);
    const untilOver = AbortSignal.any([over.signal, signal]);
    const lastMonoUs = startMonoUs + maxDurationSec * 1e6;
    clock
      .sleepUntil(lastMonoUs, 'longest session', untilOver)
      .then(() => endTake(lastMonoUs, 'the longest time for a session is over'))
      .catch(unlessAborted(untilOver));
  };

  const endTake = (stopMonoUs: number, reason: string): void => {
    if (!take || take.stopping) return;
    ended.add(take.sessionUid);
    take.stop(stopMonoUs);
    if (state === 'recording') transition('stop', reason);
  };

  const giveUpUnlessStarted = (prepared: Take): void => {
    const patience = AbortSignal.any([over.signal, signal]);
    clock
      .sleepUntil(clock.monoUs() + PREPARED_PATIENCE_MS * 1000, 'start of a prepared session', patience)
      .then(() => {
        if (!prepared.committed) prepared.stop(clock.monoUs());
      })
      .catch(unlessAborted(patience));
  };

  const answer = (): CommandResult<'stop'> => ({
    camera_id: config.camera_id,
    state,
    session_uid: take?.sessionUid ?? null,
  });

  const joinIn = async (session: RigSession, startAtUs: number): Promise<void> => {
    const choice = await devices.look(signal);
    if (take || rigSession !== session || signal.aborted || !choice) return;
    const found = gatesLocked(session);
    // Whom soft gates kept out joins in when they open, or when the start is asked again: then the record calls it ready.
    const own = session.cameras.find(({ camera_id }) => camera_id === config.camera_id);
    if (own && softlyRefused(own) && !gatesOpen(found, false)) return deps.updates.release();
    const joined = open(session, choice, overridable(found), 'the rig is recording: joining in');
    commit(joined, startAtUs, session.max_duration_sec);
  };

  /** What the rig's record asks of this node: rejoin what runs without it, stop what has ended elsewhere. */
  const follow = (): void => {
    if (!rigSession || signal.aborted) return;
    const { session_uid, start_at, stop_at, max_duration_sec } = rigSession;
    if (take) {
      const same = take.sessionUid === session_uid;
      if (same && rigSession.state === 'recording' && start_at && !take.committed)
        commit(take, fromWireTime(start_at), max_duration_sec);
      else if (same && (rigSession.state === 'stopped' || rigSession.state === 'failed'))
        endTake(stop_at ? instants.stopMonoOf(fromWireTime(stop_at)) : clock.monoUs(), 'the rig has stopped');
      else if (!same && take.committed && rigSession.state === 'recording' && session_uid > take.sessionUid)
        endTake(clock.monoUs(), 'the rig is in another session');
      return;
    }
    if (rigSession.state !== 'recording' || !start_at || ended.has(session_uid)) return;
    const startAtUs = fromWireTime(start_at);
    const nowUs = rig().masterOfMono(clock.monoUs());
    if (nowUs === undefined && clock.monoUs() < createdUs + LEARN_TIME_US) return;
    if (pending > 0 || (nowUs !== undefined && nowUs > startAtUs + max_duration_sec * 1e6)) return;
    pending++;
    joinIn(rigSession, startAtUs)
      .catch((error: unknown) => faults.addUnknown(error))
      .finally(() => {
        pending--;
      });
  };

  const disarmNow = async (reason: string): Promise<void> => {
    const current = armed;
    if (!current) return;
    armed = undefined;
    current.over.abort();
    // Whatever was wrong with the camera that ran: it does not run any more.
    faults.clear();
    transition('disarm', reason);
    released = current.camera.stop();
    await released;
  };

  return {
    get state() {
      return state;
    },
    get take() {
      return take;
    },
    get armedUntil() {
      return armed?.until ?? null;
    },
    get released() {
      return released;
    },
    gates,
    answer,
    async prepare(input) {
      pending++;
      try {
        deps.yieldCamera();
        if (state === 'finalizing' && take)
          await Promise.race([
            take.done,
            clock.sleepUntil(clock.monoUs() + FINALIZING_PATIENCE_MS * 1000, 'last session', signal),
          ]);
        // What runs armed is what is recorded.
        const choice = armed?.choice ?? (await devices.lookSoon(signal));
        const other = take && take.sessionUid !== input.session_uid ? take : undefined;
        if (other && state === 'preparing' && !other.committed && input.rank <= (preparation?.rank ?? -1)) {
          // Two conductors at once: the one with the lower rank wins, on every node. One that asks again has given up its first.
          other.stop(clock.monoUs());
          await other.done;
        }
        if (take) return busyAnswer(config.camera_id, state, take, preparation?.gates ?? []);
        const found = gatesLocked(input);
        const ready = choice !== undefined && gatesOpen(found, input.override);
        if (ready) {
          preparation = { rank: input.rank, gates: found, maxDurationSec: input.max_duration_sec };
          giveUpUnlessStarted(open(input, choice, overridable(found), `asked by ${input.conductor}`));
        } else if (isQuiet()) deps.updates.release();
        return {
          camera_id: config.camera_id,
          state,
          session_uid: input.session_uid,
          session_id: input.session_id,
          ready,
          gates: found,
        };
      } finally {
        pending--;
      }
    },
    start(input) {
      if (take?.sessionUid !== input.session_uid || (state !== 'preparing' && !take.committed))
        throw refuse('start');
      if (!take.committed)
        commit(
          take,
          fromWireTime(input.start_at),
          preparation?.maxDurationSec ?? config.recording.max_duration_min * 60,
        );
      return answer();
    },
    stop(input) {
      if (!take || (input.session_uid && input.session_uid !== take.sessionUid))
        throw new TouchlineError('not_recording', 'this node is not in that session', { details: { state } });
      endTake(
        input.stop_at ? instants.stopMonoOf(fromWireTime(input.stop_at)) : clock.monoUs(),
        'stopped by command',
      );
      return answer();
    },
    async arm() {
      const lastsUs = Math.round(config.recording.armed_min * 60e6);
      const untilUs = clock.monoUs() + lastsUs;
      const until = toWireTime(Math.round(clock.wallUs()) + lastsUs);
      if (state !== 'armed') {
        if (nextState(state, 'arm') === undefined) throw refuse('arm');
        deps.yieldCamera();
        const choice = await devices.look(signal);
        if (!choice)
          throw new TouchlineError('camera_missing', devices.state().camera.reason ?? 'there is no camera');
        if (nextState(state, 'arm') === undefined) throw refuse('arm');
        deps.updates.take('armed');
        const update = deps.updates.reading().applying;
        if (update !== null) throw new TouchlineError('not_ready', `an update is being applied (${update})`);
        armed = { camera: deps.armCamera(choice), choice, until, over: new AbortController() };
        transition('arm', 'armed by command');
      } else if (armed) {
        // Asked again, it lasts from now.
        armed.over.abort();
        armed = { ...armed, until, over: new AbortController() };
      }
      const expiry = AbortSignal.any([(armed?.over ?? new AbortController()).signal, signal]);
      clock
        .sleepUntil(untilUs, 'arming expires', expiry)
        .then(() => disarmNow('nobody started: arming has expired'))
        .catch(unlessAborted(expiry));
      changed();
      return { ...answer(), armed_until: until };
    },
    async disarm() {
      if (!armed) throw refuse('disarm');
      await disarmNow('disarmed by command');
      return answer();
    },
    requireIdle(what) {
      if (!isQuiet() || pending > 0) throw refuse(what);
    },
    follow(session) {
      rigSession = session ?? rigSession;
      follow();
    },
    async close() {
      await armed?.camera.stop();
      const last = take;
      last?.stop(clock.monoUs(), false);
      await last?.done.catch((error: unknown) => log.error({ err: error }, 'recording failed'));
    },
  };
}
