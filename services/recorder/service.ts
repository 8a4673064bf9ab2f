import { hostname } from 'node:os';
import type { CommandArguments, CommandResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession, SessionState } from '#contracts/session.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { gatesOpen, startGates } from '#domain/gates/gates.ts';
import { nextState, type SessionEvent } from '#domain/session/machine.ts';
import type { Camera, CameraMode } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { asDiskError } from './part.ts';
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
}

/** A prepared session that nobody starts is given up after this. */
const PREPARED_PATIENCE_MS = 8000;
/** A new start waits this long for the files of the last one to be finished. */
const FINALIZING_PATIENCE_MS = 800;
const STATE_INTERVAL_MS = 500;
/** Faults that came from a running session are shown until it ends, the rest until the next check. */
const FAULTS_KEPT = 20;

/** Camera and disk as last looked at. */
interface Devices {
  readonly mode: CameraMode | undefined;
  readonly cameraReason: string | null;
  readonly space: { freeBytes: number; totalBytes: number } | undefined;
  readonly diskReason: string | null;
}

export function createRecorder(deps: RecorderDeps): Unit {
  const { config, clock, disk, camera, bus, log, version } = deps;
  const control = new AbortController();
  const rigClock = { current: undefined as ReturnType<typeof watchRigClock> | undefined };
  let state: SessionState = 'idle';
  let take: Take | undefined;
  let preparation: { rank: number; gates: Gate[]; maxDurationSec: number; giveUp: () => void } | undefined;
  let devices: Devices = {
    mode: undefined,
    cameraReason: 'not looked at yet',
    space: undefined,
    diskReason: 'not looked at yet',
  };
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

  const look = async (): Promise<Devices> => {
    const [mode, space] = await Promise.all([
      camera.probe(control.signal).catch((error: unknown) => asReason(error)),
      disk.space().catch((error: unknown) => asDiskError(error).message),
    ]);
    devices = {
      mode: typeof mode === 'string' ? undefined : mode,
      cameraReason: typeof mode === 'string' ? mode : null,
      space: typeof space === 'string' ? undefined : space,
      diskReason: typeof space === 'string' ? space : null,
    };
    return devices;
  };

  const gates = (): Gate[] =>
    startGates(
      {
        camera: { present: devices.mode !== undefined, reason: devices.cameraReason },
        disk: {
          present: devices.space !== undefined,
          reason: devices.diskReason,
          freeBytes: devices.space?.freeBytes ?? null,
          totalBytes: devices.space?.totalBytes ?? null,
        },
        clock: rig().reading(),
        bitrateMbps: devices.mode?.bitrateMbps ?? 0,
      },
      {
        expectedDurationMin: config.recording.expected_duration_min,
        freeWarnPercent: config.recording.free_warn_percent,
        freeBlockPercent: config.recording.free_block_percent,
      },
    );

  const publish = (): void => {
    const recording = take?.progress() ?? null;
    const { mode, space } = devices;
    bus.setState('recorder', {
      boot_id: clock.bootId,
      state,
      recording,
      session_uid: take?.sessionUid ?? null,
      camera: {
        source: camera.source,
        present: mode !== undefined,
        width: mode?.width ?? 0,
        height: mode?.height ?? 0,
        fps: mode?.fps ?? 0,
        codec: mode?.codec ?? 'h264',
        reason: devices.cameraReason,
      },
      disk: {
        present: space !== undefined,
        free_bytes: space?.freeBytes ?? null,
        total_bytes: space?.totalBytes ?? null,
        minutes_left:
          space && mode ? Math.floor((space.freeBytes * 8) / (mode.bitrateMbps * 1e6) / 60) : null,
      },
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
    const opened = startTake({
      disk,
      clock,
      camera,
      mode,
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
    preparation?.giveUp();
    preparation = undefined;
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
    transition('fail', 'recording failed');
    take = undefined;
    publish();
  };

  const commit = (target: Take, startAtUs: number, maxDurationSec: number): void => {
    const startMonoUs = rig().monoOfMaster(startAtUs);
    target.commit(startMonoUs, startAtUs);
    preparation?.giveUp();
    clock
      .sleepUntil(startMonoUs + maxDurationSec * 1e6, 'longest session', control.signal)
      .then(() => {
        if (take === target && !target.stopping)
          endTake(startMonoUs + maxDurationSec * 1e6, 'the longest time for a session is over');
      })
      .catch(unlessAborted(control.signal));
  };

  const endTake = (stopMonoUs: number, reason: string): void => {
    if (!take || take.stopping) return;
    ended.add(take.sessionUid);
    take.stop(stopMonoUs);
    if (state === 'recording') transition('stop', reason);
  };

  const prepare = async (input: CommandArguments<'prepare'>): Promise<CommandResult<'prepare'>> => {
    if (state === 'finalizing' && take)
      await Promise.race([
        take.done,
        clock.sleepUntil(clock.monoUs() + FINALIZING_PATIENCE_MS * 1000, 'last session', control.signal),
      ]);
    const other = take && take.sessionUid !== input.session_uid ? take : undefined;
    if (other && state === 'preparing' && !other.committed && input.rank < (preparation?.rank ?? 0)) {
      // Two conductors at once: the one with the lower rank wins, on every node.
      other.stop(clock.monoUs());
      await other.done;
    } else if (take) {
      const busy: Gate = { gate: 'session', level: 'hard', reason: `session ${take.sessionId} is ${state}` };
      return {
        camera_id: config.camera_id,
        state,
        session_uid: take.sessionUid,
        session_id: take.sessionId,
        ready: state === 'preparing',
        gates: state === 'preparing' ? (preparation?.gates ?? []) : [busy],
        committed: take.committed,
      };
    }
    const { mode } = await look();
    const found = gates();
    const ready = mode !== undefined && gatesOpen(found, input.override);
    if (ready) {
      const overridden = found.filter((gate) => gate.level === 'soft');
      const patience = new AbortController();
      take = open(input, mode, overridden);
      preparation = {
        rank: input.rank,
        gates: found,
        maxDurationSec: input.max_duration_sec,
        giveUp: () => patience.abort(),
      };
      transition('prepare', `asked by ${input.conductor}`);
      const prepared = take;
      clock
        .sleepUntil(
          clock.monoUs() + PREPARED_PATIENCE_MS * 1000,
          'start of a prepared session',
          AbortSignal.any([patience.signal, control.signal]),
        )
        .then(() => prepared.stop(clock.monoUs()))
        .catch(unlessAborted(AbortSignal.any([patience.signal, control.signal])));
    }
    return {
      camera_id: config.camera_id,
      state,
      session_uid: input.session_uid,
      session_id: input.session_id,
      ready,
      gates: found,
      committed: false,
    };
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
    look().then(
      ({ mode }) => {
        if (take || rigSession !== session || control.signal.aborted || !mode) return;
        take = open(
          session,
          mode,
          gates().filter((gate) => gate.level === 'soft'),
        );
        transition('prepare', 'the rig is recording: joining in');
        commit(take, startAtUs, max_duration_sec);
      },
      (error: unknown) => onFault(asDiskError(error)),
    );
  };

  return {
    async start() {
      rigClock.current = watchRigClock({ bus, clock, cameraId: config.camera_id });
      await look();
      bus.handle('prepare', prepare);
      bus.handle('start', async (input) => {
        if (!take || take.sessionUid !== input.session_uid || state !== 'preparing') throw refuse('start');
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
          const space = await disk.space().catch((error: unknown) => asDiskError(error).message);
          if (typeof space === 'string') devices = { ...devices, space: undefined, diskReason: space };
          else devices = { ...devices, space, diskReason: null };
          if (!take && !devices.mode) await look();
          if (!take) follow();
          publish();
        }),
      ];
      publish();
    },
    async stop() {
      for (const stopTimer of stopTimers.splice(0)) stopTimer();
      // The service stops, not the session: the file is finished, and a new run joins in with a further part.
      const open = take;
      open?.stop(clock.monoUs(), false);
      await open?.done.catch((error: unknown) => log.error({ err: error }, 'recording failed'));
      control.abort(new TouchlineError('shutting_down', 'the recorder is stopping'));
      rigClock.current?.stop();
    },
  };
}

function asReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
