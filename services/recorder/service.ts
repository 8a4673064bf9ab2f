import { hostname } from 'node:os';
import type { CommandArguments, CommandResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession, SessionState } from '#contracts/session.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { gatesOpen } from '#domain/gates/gates.ts';
import { nextState, type SessionEvent } from '#domain/session/machine.ts';
import type { Camera, CameraMode } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createDevices } from './devices.ts';
import { asDiskError } from './part.ts';
import { createPreview } from './preview.ts';
import { createPreviewSocket } from './preview-socket.ts';
import { watchRigClock } from './rig-clock.ts';
import { startTake, type Take } from './take.ts';

export interface RecorderDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly camera: Camera;
  readonly bus: Bus;
  readonly log: Logger;
  readonly version: string;
  /** Unix socket where this node's api asks for pictures; none when left out. */
  readonly previewSocket?: string;
}

/** A prepared session that nobody starts is given up after this. */
const PREPARED_PATIENCE_MS = 8000;
/** A new start waits this long for the files of the last one to be finished. */
const FINALIZING_PATIENCE_MS = 800;
const STATE_INTERVAL_MS = 500;
/** Faults that came from a running session are shown until it ends, the rest until the next check. */
const FAULTS_KEPT = 20;

export function createRecorder(deps: RecorderDeps): Unit {
  const { config, clock, disk, bus, log, version } = deps;
  const control = new AbortController();
  const rigClock = { current: undefined as ReturnType<typeof watchRigClock> | undefined };
  let state: SessionState = 'idle';
  let take: Take | undefined;
  let preparation: { rank: number; gates: Gate[]; maxDurationSec: number } | undefined;
  /** Aborts when the take that is open now is over. */
  let over = new AbortController();
  const preview = createPreview({
    camera: deps.camera,
    clock,
    log,
    taken: () => take !== undefined,
  });
  const { camera } = preview;
  const previewSocket = deps.previewSocket
    ? createPreviewSocket({ path: deps.previewSocket, preview, log })
    : group();
  const devices = createDevices(camera, disk, config);
  let faults: TouchlineError[] = [];
  let rigSession: RigSession | undefined;
  /** Sessions that ended here by themselves or by a command to this node: their record does not bring them back. */
  const ended = new Set<string>();
  let stopTimers: (() => void)[] = [];

  const rig = (): ReturnType<typeof watchRigClock> => {
    if (!rigClock.current) throw new TouchlineError('internal', 'the recorder was used before its start');
    return rigClock.current;
  };

  const transition = (event: SessionEvent, reason: string): void => {
    const next = nextState(state, event);
    if (next === undefined)
      throw new TouchlineError('illegal_transition', `"${event}" does not fit the state ${state}`, {
        details: { state },
      });
    bus.emit('session/transition', { from: state, to: next, session_uid: take?.sessionUid ?? null, reason });
    log.info({ from: state, to: next, session: take?.sessionId }, reason);
    state = next;
    publish();
  };

  const gates = (): Gate[] => devices.gates(rig().reading());

  const publish = (): void => {
    const recording = take?.progress() ?? null;
    bus.setState('recorder', {
      boot_id: clock.bootId,
      state,
      recording,
      session_uid: take?.sessionUid ?? null,
      ...devices.state(),
      gates: gates(),
      faults: faults.map((fault) => fault.toWire()),
      encoder_restarts: take?.restarts.encoder ?? 0,
      disk_errors: take?.restarts.disk ?? 0,
    });
  };

  const onFault = (error: TouchlineError): void => {
    log.error({ err: error }, error.message);
    faults = [...faults.filter((fault) => fault.code !== error.code), error].slice(-FAULTS_KEPT);
    bus.emit('recording/fault', { session_uid: take?.sessionUid ?? null, error: error.toWire() });
    publish();
  };

  /** Opens a session: the camera starts, nothing is written before `commit`. */
  const open = (
    session: { session_uid: string; session_id: string },
    mode: CameraMode,
    overridden: Gate[],
  ): Take => {
    faults = [];
    over = new AbortController();
    const opened = startTake({
      disk,
      clock,
      camera,
      mode,
      preview: preview.listener,
      identity: {
        sessionId: session.session_id,
        sessionUid: session.session_uid,
        cameraId: config.camera_id,
        position: config.position,
      },
      overriddenGates: overridden,
      queueLimitBytes: config.recording.queue_mib * 2 ** 20,
      syncIntervalMs: config.recording.sync_interval_ms,
      clockReading: () => rig().reading(),
      version,
      hostname: hostname(),
      runId: bus.runId,
      onFault,
      onGap: (gap) => {
        const now = Math.round(clock.wallUs());
        log.warn({ gap }, 'frames were lost');
        bus.emit('recording/gap', {
          session_uid: session.session_uid,
          gap: {
            from: toWireTime(now - (gap.toUs - gap.fromUs)),
            to: toWireTime(now),
            frames: gap.frames,
            reason: 'frames lost',
          },
        });
      },
      onPart: ({ manifest, manifestPath }) =>
        bus.emit('recording/finished', {
          session_uid: manifest.touchline.session_uid,
          session_id: manifest.recording.session_id,
          part: manifest.touchline.part,
          manifest: manifestPath,
          recovered: false,
        }),
      onRecording: () => {
        // Whatever it was, it records again; that it was interrupted is told by the number of its part.
        faults = [];
        if (state === 'preparing') transition('begin', 'the first frames are in the file');
        else publish();
      },
    });
    opened.done.then(
      () => close(opened),
      (error: unknown) => defect(opened, error),
    );
    return opened;
  };

  const close = (closed: Take): void => {
    if (take !== closed) return;
    over.abort();
    preparation = undefined;
    faults = [];
    if (state === 'recording') transition('stop', 'the recording ended');
    if (state === 'finalizing') transition('finished', 'all files are finished');
    else if (state === 'preparing') transition('give-up', 'nothing was recorded');
    take = undefined;
    publish();
    follow();
  };

  const defect = (closed: Take, error: unknown): void => {
    onFault(
      error instanceof TouchlineError
        ? error
        : new TouchlineError('internal', 'recording failed', { cause: error }),
    );
    if (take !== closed) return;
    over.abort();
    preparation = undefined;
    transition('fail', 'recording failed');
    take = undefined;
    publish();
  };

  const commit = (target: Take, startAtUs: number, maxDurationSec: number): void => {
    const startMonoUs = rig().monoOfMaster(startAtUs);
    target.commit(startMonoUs, startAtUs);
    const untilOver = AbortSignal.any([over.signal, control.signal]);
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

  const prepare = async (input: CommandArguments<'prepare'>): Promise<CommandResult<'prepare'>> => {
    preview.yield();
    if (state === 'finalizing' && take)
      await Promise.race([
        take.done,
        clock.sleepUntil(clock.monoUs() + FINALIZING_PATIENCE_MS * 1000, 'last session', control.signal),
      ]);
    const mode = await devices.look(control.signal);
    const other = take && take.sessionUid !== input.session_uid ? take : undefined;
    if (other && state === 'preparing' && !other.committed && input.rank <= (preparation?.rank ?? -1)) {
      // Two conductors at once: the one with the lower rank wins, on every node. One that asks again has given up its first.
      other.stop(clock.monoUs());
      await other.done;
    }
    if (take) return busy(take);
    const found = gates();
    const ready = mode !== undefined && gatesOpen(found, input.override);
    if (ready) {
      take = open(input, mode, overridable(found));
      preparation = { rank: input.rank, gates: found, maxDurationSec: input.max_duration_sec };
      transition('prepare', `asked by ${input.conductor}`);
      giveUpUnlessStarted(take);
    }
    return {
      camera_id: config.camera_id,
      state,
      session_uid: input.session_uid,
      session_id: input.session_id,
      ready,
      gates: found,
    };
  };

  /** The answer to a `prepare` while this node is in a session: the first one counts. */
  const busy = (first: Take): CommandResult<'prepare'> => ({
    camera_id: config.camera_id,
    state,
    session_uid: first.sessionUid,
    session_id: first.sessionId,
    ready: state === 'preparing',
    gates:
      state === 'preparing'
        ? (preparation?.gates ?? [])
        : [{ gate: 'session', level: 'hard', reason: `session ${first.sessionId} is ${state}` }],
  });

  const giveUpUnlessStarted = (prepared: Take): void => {
    const patience = AbortSignal.any([over.signal, control.signal]);
    clock
      .sleepUntil(clock.monoUs() + PREPARED_PATIENCE_MS * 1000, 'start of a prepared session', patience)
      .then(() => {
        if (!prepared.committed) prepared.stop(clock.monoUs());
      })
      .catch(unlessAborted(patience));
  };

  const answer = (): CommandResult<'start'> => ({
    camera_id: config.camera_id,
    state,
    session_uid: take?.sessionUid ?? null,
  });

  const refuse = (what: string): TouchlineError =>
    new TouchlineError('illegal_transition', `${what} does not fit the state ${state}`, {
      details: { state, session_uid: take?.sessionUid ?? null },
    });

  /** What the rig's record asks of this node: rejoin what runs without it, stop what has ended elsewhere. */
  const follow = (): void => {
    if (!rigSession || control.signal.aborted) return;
    const { session_uid, start_at, stop_at, max_duration_sec } = rigSession;
    if (take) {
      const same = take.sessionUid === session_uid;
      if (same && rigSession.state === 'recording' && start_at && !take.committed)
        commit(take, fromWireTime(start_at), max_duration_sec);
      else if (same && (rigSession.state === 'stopped' || rigSession.state === 'failed'))
        endTake(stop_at ? rig().monoOfMaster(fromWireTime(stop_at)) : clock.monoUs(), 'the rig has stopped');
      else if (!same && take.committed && rigSession.state === 'recording' && session_uid > take.sessionUid)
        endTake(clock.monoUs(), 'the rig is in another session');
      return;
    }
    if (rigSession.state !== 'recording' || !start_at || ended.has(session_uid)) return;
    const startAtUs = fromWireTime(start_at);
    if (rig().masterNowUs() > startAtUs + max_duration_sec * 1e6) return;
    const session = rigSession;
    devices.look(control.signal).then(
      (mode) => {
        if (take || rigSession !== session || control.signal.aborted || !mode) return;
        take = open(session, mode, overridable(gates()));
        transition('prepare', 'the rig is recording: joining in');
        commit(take, startAtUs, max_duration_sec);
      },
      (error: unknown) => onFault(asDiskError(error)),
    );
  };

  return {
    async start(signal) {
      rigClock.current = watchRigClock({ bus, clock, cameraId: config.camera_id });
      await devices.look(control.signal);
      bus.handle('prepare', prepare);
      bus.handle('start', async (input) => {
        if (take?.sessionUid !== input.session_uid || (state !== 'preparing' && !take.committed))
          throw refuse('start');
        if (!take.committed)
          commit(
            take,
            fromWireTime(input.start_at),
            preparation?.maxDurationSec ?? config.recording.max_duration_min * 60,
          );
        return answer();
      });
      bus.handle('stop', async (input) => {
        if (!take || (input.session_uid && input.session_uid !== take.sessionUid))
          throw new TouchlineError('not_recording', 'this node is not in that session', {
            details: { state },
          });
        endTake(
          input.stop_at ? rig().monoOfMaster(fromWireTime(input.stop_at)) : clock.monoUs(),
          'stopped by command',
        );
        return answer();
      });
      stopTimers = [
        bus.watchSession((session) => {
          rigSession = session;
          follow();
        }),
        clock.every(STATE_INTERVAL_MS, 'recorder state', async () => {
          if (!take && !devices.mode) await devices.look(control.signal);
          else await devices.lookAtDisk();
          if (!take) follow();
          publish();
        }),
      ];
      // Without pictures a match is recorded all the same.
      await previewSocket
        .start(signal)
        .catch((error: unknown) =>
          log.error({ err: error }, 'there will be no previews: their socket failed'),
        );
      publish();
    },
    async stop() {
      for (const stopTimer of stopTimers.splice(0)) stopTimer();
      // The service stops, not the session: the file is finished, and a new run joins in with a further part.
      const open = take;
      open?.stop(clock.monoUs(), false);
      await open?.done.catch((error: unknown) => log.error({ err: error }, 'recording failed'));
      control.abort(new TouchlineError('shutting_down', 'the recorder is stopping'));
      await preview.stop();
      await previewSocket.stop();
      rigClock.current?.stop();
    },
  };
}

function overridable(gates: readonly Gate[]): Gate[] {
  return gates.filter((gate) => gate.level === 'soft');
}

function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
