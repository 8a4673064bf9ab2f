import type { CommandArguments } from '#contracts/commands.ts';
import type { CameraId, SessionUid } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { CameraReadiness, RigSession } from '#contracts/session.ts';
import type { PrepareAnswer } from '#domain/barrier/barrier.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';

/** What a conductor asks of the recorders. Nobody is waited for longer than the configuration says. */
export interface Cameras {
  prepare(session: RigSession, rank: number, override: boolean): Promise<PrepareAnswer[]>;
  start(cameras: readonly CameraId[], input: CommandArguments<'start'>): Promise<void>;
  stop(input: CommandArguments<'stop'>): Promise<CameraReadiness[]>;
  /** Lets go of a session that will not start. */
  giveUp(sessionUid: SessionUid): Promise<void>;
}

export function askCameras(deps: {
  readonly config: NodeConfig;
  readonly bus: Bus;
  readonly log: Logger;
}): Cameras {
  const { config, bus, log } = deps;
  const { start_lead_ms, ready_timeout_ms } = config.sync;
  const timely = { timeoutMs: ready_timeout_ms, issuedBy: config.camera_id };

  const everyCamera = <T>(ask: (cameraId: CameraId) => Promise<T>): Promise<T[]> =>
    Promise.all(config.cameras.map(ask));

  return {
    prepare: (session, rank, override) =>
      everyCamera((cameraId) =>
        bus
          .request(
            cameraId,
            'prepare',
            {
              session_uid: session.session_uid,
              session_id: session.session_id,
              conductor: config.camera_id,
              rank,
              override,
              max_duration_sec: session.max_duration_sec,
            },
            timely,
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
      ),
    async start(cameras, input) {
      await Promise.all(
        cameras.map((cameraId) =>
          bus
            .request(cameraId, 'start', input, { timeoutMs: start_lead_ms })
            .catch((error: unknown) =>
              log.warn(
                { camera: cameraId, reason: reasonOf(error) },
                'no answer to the start; the record tells it',
              ),
            ),
        ),
      );
    },
    stop: (input) =>
      everyCamera((cameraId) =>
        bus.request(cameraId, 'stop', input, timely).then(
          (): CameraReadiness => ({ camera_id: cameraId, state: 'ready', gates: [] }),
          // The record tells it to stop as soon as it sees it.
          (error: unknown): CameraReadiness => ({
            camera_id: cameraId,
            state: 'silent',
            reason: reasonOf(error),
            gates: [],
          }),
        ),
      ),
    async giveUp(sessionUid) {
      await everyCamera((cameraId) =>
        bus.request(cameraId, 'stop', { session_uid: sessionUid }, timely).catch(reasonOf),
      );
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
