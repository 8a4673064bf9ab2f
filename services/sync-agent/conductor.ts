import { decodeTime, ulid } from 'ulid';
import type { CommandArguments, CommandResult, StartResult, StopResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { type CameraReadiness, type RigSession, supersedes } from '#contracts/session.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { conductorRank, decideStart, generatedSessionId } from '#domain/barrier/barrier.ts';
import {
  isSecondStart,
  SECOND_START_WITHIN_MS,
  sameStart,
  softlyRefused,
} from '#domain/barrier/second-start.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';
import { askCameras } from './ask-cameras.ts';

export interface ConductorDeps {
  readonly config: NodeConfig;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly masterNowUs: () => number;
  /** A record that this conductor wrote. */
  readonly onRecord: (session: RigSession) => void;
  /** Who the master is now. */
  readonly master: () => CameraId;
}

/** A stop is this far ahead, so that every camera gets it before its instant. */
const STOP_LEAD_MS = 150;

/** A start or stop under way: what it is called at once, and what comes of it. */
interface Conducted<R> {
  readonly sessionUid: SessionUid;
  readonly sessionId: SessionId;
  readonly result: Promise<R>;
}

/** Starts and stops the rig: asks, decides, names who is missing, and keeps the rig's session record. */
export interface Conductor {
  readonly session: RigSession | undefined;
  /** Whether a session is being prepared or runs, here or by another conductor. */
  readonly recording: boolean;
  /** Notes in the record of a session that runs when its beep sounded. */
  beeped(sessionUid: SessionUid, masterUs: number): void;
  /** Learns of a record that another node wrote. */
  saw(session: RigSession): void;
  start(input: CommandArguments<'rigStart'>): Conducted<StartResult>;
  stop(input: CommandArguments<'rigStop'>): Conducted<StopResult>;
}

export function createConductor(deps: ConductorDeps): Conductor {
  const { config, bus, clock, log, masterNowUs } = deps;
  const { start_lead_ms, ready_timeout_ms } = config.sync;
  const cameras = askCameras({ config, bus, log });
  let session: RigSession | undefined;
  let starting: Conducted<StartResult> | undefined;

  const record = (change: Partial<RigSession>, base: RigSession): RigSession => {
    const next: RigSession = {
      ...base,
      ...change,
      revision: base.revision + 1,
      updated_at: toWireTime(masterNowUs()),
    };
    // Another conductor's later record stands: ours would bring back what has ended.
    if (session && session.session_uid !== next.session_uid && !supersedes(next, session)) return next;
    session = next;
    bus.setSession(next);
    deps.onRecord(next);
    return next;
  };

  const run = async (first: RigSession, override: boolean): Promise<StartResult> => {
    const decision = decideStart(
      first.session_uid,
      await cameras.prepare(first, conductorRank(config.camera_id, deps.master(), config.cameras), override),
      session && session.state !== 'recording' ? session.session_uid : undefined,
    );
    if (decision.decision === 'adopt') {
      await cameras.giveUp(first.session_uid);
      return adopt(decision.sessionUid, decision.sessionId);
    }
    if (decision.decision === 'refuse') {
      const failed = record(
        { state: 'failed', cameras: decision.cameras, reason: reasonsOf(decision.cameras) },
        first,
      );
      throw refusalOf(failed);
    }
    const startAt = toWireTime(masterNowUs() + start_lead_ms * 1000);
    const ready = decision.cameras
      .filter((camera) => camera.state === 'ready')
      .map((camera) => camera.camera_id);
    // The record goes first: a camera that misses the command finds its start there.
    const recorded = record({ state: 'recording', start_at: startAt, cameras: decision.cameras }, first);
    await cameras.start(ready, { session_uid: first.session_uid, start_at: startAt });
    for (const camera of decision.cameras)
      if (camera.state !== 'ready')
        log.warn({ camera: camera.camera_id, reason: camera.reason }, 'starts without this camera');
    return resultOf(recorded, startAt);
  };

  /** Cameras that soft gates keep out of the session that runs are let in: their recorders read it in the record. */
  const bringIn = (current: RigSession, input: CommandArguments<'rigStart'>): Conducted<StartResult> => {
    const leftOut = current.cameras.filter(softlyRefused);
    if (leftOut.length === 0 || !current.start_at || !sameStart(current, input))
      return joined(current, input, masterNowUs());
    const { start_at } = current;
    for (const { camera_id, reason } of leftOut)
      log.warn({ camera: camera_id, reason }, 'joins in spite of its gates: it was asked for twice');
    const recorded = record(
      {
        cameras: current.cameras.map((camera) =>
          softlyRefused(camera) ? { ...camera, state: 'ready' as const } : camera,
        ),
      },
      current,
    );
    return {
      sessionUid: current.session_uid,
      sessionId: current.session_id,
      result: Promise.resolve(resultOf(recorded, start_at)),
    };
  };

  /** The session of another conductor, as soon as its record says when it starts. */
  const adopt = async (sessionUid: SessionUid, sessionId: SessionId): Promise<StartResult> => {
    log.info({ session: sessionId }, 'another conductor was first: its session is the one');
    const deadlineUs = clock.monoUs() + (ready_timeout_ms + start_lead_ms) * 1000;
    for (;;) {
      if (session?.session_uid === sessionUid && session.start_at) return resultOf(session, session.start_at);
      if (clock.monoUs() > deadlineUs)
        throw new TouchlineError('already_recording', `the rig is already in session ${sessionId}`, {
          details: { session_uid: sessionUid, session_id: sessionId },
        });
      await clock.sleepUntil(clock.monoUs() + 20_000, 'record of the other conductor');
    }
  };

  return {
    get session() {
      return session;
    },
    get recording() {
      return starting !== undefined || (session !== undefined && isUnderWay(session, masterNowUs()));
    },
    saw(seen) {
      if (supersedes(seen, session)) session = seen;
    },
    beeped(sessionUid, masterUs) {
      if (session?.session_uid === sessionUid && session.state === 'recording')
        record({ beep_at: toWireTime(masterUs) }, session);
    },
    start(input) {
      if (starting) return starting;
      const nowUs = masterNowUs();
      const again = isSecondStart(session, input, nowUs);
      if (session?.state === 'recording' && isUnderWay(session, nowUs))
        return again || input.override ? bringIn(session, input) : joined(session, input, nowUs);
      const first: RigSession = {
        v: 1,
        session_uid: nextUid(session, nowUs),
        session_id: input.session_id ?? (again && session ? session.session_id : generatedSessionId(nowUs)),
        revision: 0,
        state: 'preparing',
        conductor: config.camera_id,
        start_at: null,
        stop_at: null,
        max_duration_sec: input.max_duration_sec ?? config.recording.max_duration_min * 60,
        cameras: [],
        updated_at: toWireTime(nowUs),
      };
      // Nothing is published before the answers are in: of two conductors at once only one writes a record.
      const result = run(first, input.override || again).finally(() => {
        starting = undefined;
      });
      starting = { sessionUid: first.session_uid, sessionId: first.session_id, result };
      return starting;
    },
    stop(input) {
      const current = session;
      if (current?.state !== 'recording')
        throw new TouchlineError('not_recording', 'the rig is not recording', {
          details: { state: current?.state ?? 'idle' },
        });
      if (input.session_uid && input.session_uid !== current.session_uid)
        throw new TouchlineError('not_recording', 'that session is not running', {
          details: { session_uid: current.session_uid },
        });
      const stopAt = toWireTime(masterNowUs() + STOP_LEAD_MS * 1000);
      record({ state: 'stopped', stop_at: stopAt }, current);
      const result = cameras.stop({ session_uid: current.session_uid, stop_at: stopAt }).then(
        (answers): StopResult => ({
          session_uid: current.session_uid,
          session_id: current.session_id,
          stop_at: stopAt,
          cameras: answers,
        }),
      );
      return { sessionUid: current.session_uid, sessionId: current.session_id, result };
    },
  };
}

/** The answer to a start, from the rig's record. */
export function resultOf(session: RigSession, startAt: string): CommandResult<'rigStart'> {
  return {
    session_uid: session.session_uid,
    session_id: session.session_id,
    conductor: session.conductor,
    start_at: startAt,
    cameras: session.cameras,
  };
}

/** Why the rig did not start. Where an override would have let a camera record, it says how to. */
export function refusalOf(failed: RigSession): TouchlineError {
  const details = { cameras: failed.cameras };
  return failed.cameras.some(softlyRefused)
    ? new TouchlineError(
        'gates_closed',
        `${failed.reason ?? ''}. Start again within ${SECOND_START_WITHIN_MS / 1000} s to record anyway`,
        { details },
      )
    : new TouchlineError('no_camera_ready', `no camera can record: ${failed.reason ?? ''}`, { details });
}

function reasonsOf(cameras: readonly CameraReadiness[]): string {
  return cameras.map((camera) => `${camera.camera_id}: ${camera.reason ?? camera.state}`).join('; ');
}

/** A start asked twice at once is one start: the second gets the session of the first while its instant is still ahead. */
function joined(
  session: RigSession,
  input: CommandArguments<'rigStart'>,
  nowUs: number,
): Conducted<StartResult> {
  const { session_id, session_uid, start_at } = session;
  if (!start_at || !sameStart(session, input) || nowUs > fromWireTime(start_at))
    throw alreadyRecording(session);
  return {
    sessionUid: session_uid,
    sessionId: session_id,
    result: Promise.resolve(resultOf(session, start_at)),
  };
}

function alreadyRecording(session: RigSession): TouchlineError {
  return new TouchlineError(
    'already_recording',
    `the rig is recording ${session.session_id}; stop it first`,
    {
      details: { session_uid: session.session_uid, session_id: session.session_id },
    },
  );
}

/** Whether a session is being prepared or records, and has not outlived its longest duration. */
export function isUnderWay(session: RigSession, nowUs: number): boolean {
  if (session.state !== 'preparing' && session.state !== 'recording') return false;
  return (
    session.start_at === null || nowUs <= fromWireTime(session.start_at) + session.max_duration_sec * 1e6
  );
}

/** A later session has a later uid, even when the clock was set back in between. */
function nextUid(session: RigSession | undefined, nowUs: number): SessionUid {
  const uid = ulid(Math.floor(nowUs / 1000));
  if (!session || uid > session.session_uid) return uid;
  return ulid(decodeTime(session.session_uid) + 1);
}
