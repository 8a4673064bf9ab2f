import { TouchlineError } from '#contracts/errors.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { RecorderState } from '#contracts/states.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { lastPartsOf, writeManifest } from '#runtime/manifests.ts';
import { createOffload, type Offload } from './offload.ts';
import { findUnfinished, recover } from './recovery.ts';

export interface HousekeeperDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly bus: Bus;
  readonly log: Logger;
  readonly version: string;
}

/** Recordings that failed to go home are tried again this often: central may be there by then. */
const LOOK_AGAIN_MS = 60_000;

export function createHousekeeper(deps: HousekeeperDeps): Unit {
  const { config, clock, disk, bus, log } = deps;
  const control = new AbortController();
  const automatic = config.offload.auto_upload || config.offload.upload_on_record_stop;
  let offload: Offload | undefined;
  let working = Promise.resolve();
  let pending = 0;
  let session: RigSession | undefined;
  let recorder: RecorderState | undefined;
  /** The run of the recorder whose predecessors' files were looked after. */
  let recoveredFor: string | undefined;
  let closed: string | undefined;
  let stops: (() => void)[] = [];

  const publish = (): void =>
    bus.setState('housekeeper', { offload: offload?.items() ?? [], recovering: pending > 0 });

  /** Finishes what another run of the recorder left. The files of `recorderRunId` are still its own. */
  const recoverAll = async (recorderRunId: string): Promise<void> => {
    const { unfinished, unreadable } = await findUnfinished(disk);
    for (const error of unreadable) {
      log.error({ err: error }, error.message);
      bus.emit('recording/fault', { session_uid: null, error: error.toWire() });
    }
    for (const file of unfinished) {
      control.signal.throwIfAborted();
      if (file.journal.run_id === recorderRunId) continue;
      // While the rig still records this session, a further part follows.
      const final = !(session?.state === 'recording' && session.session_uid === file.journal.session_uid);
      const done = await recover(disk, file, final);
      if (!done) {
        log.warn({ file: file.journal.file }, 'nothing of this file was whole');
        continue;
      }
      const { manifest, manifestPath } = done;
      log.info(
        {
          manifest: manifestPath,
          frames: manifest.touchline.frames,
          bytes_lost: manifest.touchline.bytes_lost,
        },
        'recovered',
      );
      announce(manifest, manifestPath);
    }
  };

  /** A session that ended while this node had no file open: its last part turns out to be the final one. */
  const closeSession = async (ended: RigSession): Promise<void> => {
    for (const { manifest, manifestPath } of await lastPartsOf(disk, ended.session_uid)) {
      if (manifest.touchline.final) continue;
      const final = {
        ...manifest,
        touchline: { ...manifest.touchline, final: true, offloaded: false, offloaded_at: null },
      };
      await writeManifest(disk, { manifest: final, manifestPath });
      announce(final, manifestPath);
    }
  };

  const announce = ({ touchline, recording }: TouchlineManifest, manifestPath: string): void =>
    bus.emit('recording/finished', {
      session_uid: touchline.session_uid,
      session_id: recording.session_id,
      part: touchline.part,
      manifest: manifestPath,
      recovered: touchline.recovered,
    });

  /** One piece of work on the disk after the other. */
  const queueWork = (what: string, work: () => Promise<void>): void => {
    pending++;
    working = working
      .then(() => {
        control.signal.throwIfAborted();
        return work();
      })
      .catch((error: unknown) => {
        if (control.signal.aborted) return;
        const fault =
          error instanceof TouchlineError
            ? error
            : new TouchlineError('internal', `${what} failed`, { cause: error });
        log.error({ err: fault }, `${what} failed; it is tried again at the next start`);
        bus.emit('recording/fault', { session_uid: null, error: fault.toWire() });
      })
      .finally(() => {
        pending--;
        publish();
      });
    publish();
  };

  const look = (): void => {
    if (!recorder) return;
    const { run_id } = recorder;
    if (recoveredFor !== run_id) {
      recoveredFor = run_id;
      queueWork('recovery', () => recoverAll(run_id));
    }
    if (session?.state === 'stopped' && recorder.session_uid === null && closed !== session.session_uid) {
      const ended = session;
      closed = ended.session_uid;
      queueWork('closing a session', () => closeSession(ended));
    }
  };

  return {
    async start() {
      const queue = createOffload({
        config,
        disk,
        clock,
        log,
        signal: control.signal,
        changed: publish,
        finished: ({ touchline, recording }) =>
          bus.emit('offload/finished', {
            session_uid: touchline.session_uid,
            session_id: recording.session_id,
            part: touchline.part,
          }),
        failed: ({ touchline, recording }, error) =>
          bus.emit('offload/failed', {
            session_uid: touchline.session_uid,
            session_id: recording.session_id,
            part: touchline.part,
            error: error.toWire(),
          }),
      });
      offload = queue;
      const bringHome = (): void => {
        queue
          .enqueue({ onDemand: false })
          .catch((error: unknown) =>
            log.error({ err: error }, 'the recordings on the disk cannot be listed'),
          );
      };
      bus.handle('offload', async ({ session_uid }) => {
        if (config.offload.server_url === undefined)
          throw new TouchlineError('configuration_invalid', 'offload.server_url is not set', {
            field: 'offload.server_url',
          });
        return { queued: await queue.enqueue({ sessionUid: session_uid, onDemand: true }) };
      });
      stops = [
        bus.watchSession((seen) => {
          session = seen;
          look();
        }),
        bus.watchState('recorder', (node, seen) => {
          if (node !== config.camera_id) return;
          recorder = seen.online ? seen.state : undefined;
          look();
        }),
        bus.watchEvents((node, name) => {
          if (node === config.camera_id && name === 'recording/finished' && automatic) bringHome();
        }),
      ];
      if (config.offload.auto_upload) {
        stops.push(clock.every(LOOK_AGAIN_MS, 'recordings to bring home', () => bringHome()));
        bringHome();
      }
      publish();
    },
    async stop() {
      control.abort(new TouchlineError('shutting_down', 'the housekeeper is stopping'));
      for (const stop of stops.splice(0)) stop();
      await working;
      await offload?.idle();
    },
  };
}
