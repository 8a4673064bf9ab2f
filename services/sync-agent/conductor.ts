import { decodeTime, ulid } from 'ulid';
import type { CommandArguments, CommandResult, StartResult, StopResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { type CameraReadiness, type RigSession, supersedes } from '#contracts/session.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import {
  conductorRank,
  decideStart,
  generatedSessionId,
  type PrepareAnswer,
} from '#domain/barrier/barrier.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';

export interface ConductorDeps {
  readonly config: NodeConfig;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly masterNowUs: () => number;
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
  /** Learns of a record that another node wrote. */
  saw(session: RigSession): void;
  start(input: CommandArguments<'rigStart'>): Conducted<StartResult>;
  stop(input: CommandArguments<'rigStop'>): Conducted<StopResult>;
}

export function createConductor(deps: ConductorDeps): Conductor {
  const { config, bus, clock, log, masterNowUs } = deps;
  const { start_lead_ms, ready_timeout_ms } = config.sync;
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
    return next;
  };

  const everyCamera = <T>(ask: (cameraId: CameraId) => Promise<T>): Promise<T[]> =>
    Promise.all(config.cameras.map(ask));

  const askPrepare = (first: RigSession, override: boolean): Promise<PrepareAnswer[]> =>
    everyCamera((cameraId) =>
      bus
        .request(
          cameraId,
          'prepare',
          {
            session_uid: first.session_uid,
            session_id: first.session_id,
            conductor: config.camera_id,
            rank: conductorRank(config.camera_id, config.sync.master, config.cameras),
            override,
            max_duration_sec: first.max_duration_sec,
          },
          { timeoutMs: ready_timeout_ms, issuedBy: config.camera_id },
        )
        .then(
          (answer): PrepareAnswer => ({
            cameraId,
            ready: answer.ready,
            gates: answer.gates,
            sessionUid: answer.session_uid,
            sessionId: answer.session_id,
            state: answer.state,
          }),
          (error: unknown): PrepareAnswer => ({ cameraId, silent: reasonOf(error) }),
        ),
    );

  const giveUp = (sessionUid: SessionUid): Promise<unknown> =>
    everyCamera((cameraId) =>
      bus
        .request(cameraId, 'stop', { session_uid: sessionUid }, { timeoutMs: ready_timeout_ms })
        .catch(reasonOf),
    );

  const run = async (first: RigSession, override: boolean): Promise<StartResult> => {
    const decision = decideStart(
      first.session_uid,
      await askPrepare(first, override),
      session && session.state !== 'recording' ? session.session_uid : undefined,
    );
    if (decision.decision === 'adopt') {
      await giveUp(first.session_uid);
      return adopt(decision.sessionUid, decision.sessionId);
    }
    if (decision.decision === 'refuse') {
      const reason = decision.cameras
        .map((camera) => `${camera.camera_id}: ${camera.reason ?? camera.state}`)
        .join('; ');
      record({ state: 'failed', cameras: decision.cameras, reason }, first);
      throw new TouchlineError('no_camera_ready', `no camera can record: ${reason}`, {
        details: { cameras: decision.cameras },
      });
    }
    const startAt = toWireTime(masterNowUs() + start_lead_ms * 1000);
    const ready = decision.cameras
      .filter((camera) => camera.state === 'ready')
      .map((camera) => camera.camera_id);
    // The record goes first: a camera that misses the command finds its start there.
    const recorded = record({ state: 'recording', start_at: startAt, cameras: decision.cameras }, first);
    await Promise.all(
      ready.map((cameraId) =>
        bus
          .request(
            cameraId,
            'start',
            { session_uid: first.session_uid, start_at: startAt },
            { timeoutMs: start_lead_ms },
          )
          .catch((error: unknown) =>
            log.warn(
              { camera: cameraId, reason: reasonOf(error) },
              'no answer to the start; the record tells it',
            ),
          ),
      ),
    );
    for (const camera of decision.cameras)
      if (camera.state !== 'ready')
        log.warn({ camera: camera.camera_id, reason: camera.reason }, 'starts without this camera');
    return resultOf(recorded, startAt);
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
    saw(seen) {
      if (supersedes(seen, session)) session = seen;
    },
    start(input) {
      if (starting) return starting;
      if (session?.state === 'recording' && !isOver(session, masterNowUs()))
        return joined(session, input, masterNowUs());
      const nowUs = masterNowUs();
      const first: RigSession = {
        v: 1,
        session_uid: nextUid(session, nowUs),
        session_id: input.session_id ?? generatedSessionId(nowUs),
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
      const result = run(first, input.override).finally(() => {
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
      const result = everyCamera((cameraId) =>
        bus
          .request(
            cameraId,
            'stop',
            { session_uid: current.session_uid, stop_at: stopAt },
            { timeoutMs: ready_timeout_ms },
          )
          .then(
            (): CameraReadiness => ({ camera_id: cameraId, state: 'ready', gates: [] }),
            // The record tells it to stop as soon as it sees it.
            (error: unknown): CameraReadiness => ({
              camera_id: cameraId,
              state: 'silent',
              reason: reasonOf(error),
              gates: [],
            }),
          ),
      ).then(
        (cameras): StopResult => ({
          session_uid: current.session_uid,
          session_id: current.session_id,
          stop_at: stopAt,
          cameras,
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

/** A start asked twice at once is one start: the second gets the session of the first while its instant is still ahead. */
function joined(
  session: RigSession,
  input: CommandArguments<'rigStart'>,
  nowUs: number,
): Conducted<StartResult> {
  const { session_id, session_uid, start_at } = session;
  const same = input.session_id === undefined || input.session_id === session_id;
  if (!start_at || !same || nowUs > fromWireTime(start_at)) throw alreadyRecording(session);
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

/** Whether a session that says it records has outlived its longest duration. */
function isOver(session: RigSession, nowUs: number): boolean {
  return session.start_at !== null && nowUs > fromWireTime(session.start_at) + session.max_duration_sec * 1e6;
}

/** A later session has a later uid, even when the clock was set back in between. */
function nextUid(session: RigSession | undefined, nowUs: number): SessionUid {
  const uid = ulid(Math.floor(nowUs / 1000));
  if (!session || uid > session.session_uid) return uid;
  return ulid(decodeTime(session.session_uid) + 1);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
