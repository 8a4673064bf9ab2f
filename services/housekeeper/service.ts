import { TouchlineError } from '#contracts/errors.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { OffloadItem, RecorderState } from '#contracts/states.ts';
import { fromWireTime } from '#contracts/time.ts';
import { asFinal, type Ending } from '#domain/recording/ending.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { HostPower } from '#ports/host-power/host-power.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { lastPartsOf, writeManifest } from '#runtime/manifests.ts';
import { createOffload, type Offload } from './offload.ts';
import { findUnfinished, recover } from './recovery.ts';
import { createRetention, type Retention } from './retention.ts';
import { serveShutdown } from './shutdown.ts';

export interface HousekeeperDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly bus: Bus;
  readonly log: Logger;
  readonly version: string;
  /** With `power.off`; when left out a shutdown is refused. */
  readonly power?: HostPower | undefined;
}

/** Recordings that failed to go home are tried again this often: central may be there by then. */
const LOOK_AGAIN_MS = 60_000;
/** Often enough to stay ahead of a recording: in this time it takes some hundred megabytes. */
const RETENTION_EVERY_MS = 60_000;

const BEING_SENT: readonly OffloadItem['state'][] = ['waiting', 'uploading', 'confirming'];

export function createHousekeeper(deps: HousekeeperDeps): Unit {
  const { config, clock, disk, bus, log } = deps;
  const control = new AbortController();
  const automatic = config.offload.auto_upload || config.offload.upload_on_record_stop;
  let offload: Offload | undefined;
  let retention: Retention | undefined;
  let working = Promise.resolve();
  let pending = 0;
  let session: RigSession | undefined;
  let recorder: RecorderState | undefined;
  /** Work on the disk that failed, by name: it is tried again. */
  const owed = new Map<string, () => Promise<void>>();
  /** The run of the recorder whose predecessors' files were looked after. */
  let recoveredFor: string | undefined;
  /** The same, once that had ended well. */
  let recovered: string | undefined;
  /** Recovery could not tell whose the files are, and is due as soon as it can. */
  let recoveryWaits = false;
  let closed: string | undefined;
  let stops: (() => void)[] = [];

  const publish = (): void =>
    bus.setState('housekeeper', {
      offload: offload?.items() ?? [],
      recovering: pending > 0,
      ...(retention ? { retention: retention.state() } : {}),
    });

  /** How a session ended; undefined while the rig still records it: a further part follows then. */
  const endingOf = (uid: string): Ending | undefined => {
    if (session?.session_uid !== uid) return { stopAtUs: undefined };
    if (session.state === 'recording') return undefined;
    return { stopAtUs: session.stop_at === null ? undefined : fromWireTime(session.stop_at) };
  };

  /** Whether the rig has stopped it and the recorder is done with it: what is unfinished then, the recorder could not finish. */
  const isOver = (uid: string): boolean =>
    session?.state === 'stopped' && session.session_uid === uid && recorder?.session_uid === null;

  /**
   * Finishes what another run of the recorder left. The files of the present run are its own until their session is over; which run that
   * is counts when it is this work's turn, not when it was queued; and while that is not known, every file may be one that is being written.
   * With the run known no age of a file has to be waited for: the files of others are dead.
   */
  const recoverAll = async (): Promise<void> => {
    const recorderRunId = presentRun();
    if (recorderRunId === undefined) return waitForRun();
    recoveryWaits = false;
    const { unfinished, unreadable } = await findUnfinished(disk);
    for (const error of unreadable) {
      log.error({ err: error }, error.message);
      bus.emit('recording/fault', { session_uid: null, error: error.toWire() });
    }
    // The last part first: those before it then see that it follows.
    const inOrder = unfinished.toSorted((a, b) => b.journal.part - a.journal.part);
    for (const file of inOrder) {
      control.signal.throwIfAborted();
      if (presentRun() !== recorderRunId) return waitForRun();
      if (file.journal.run_id === recorderRunId && !isOver(file.journal.session_uid)) continue;
      const done = await recover(disk, file, endingOf(file.journal.session_uid));
      if (done.length === 0) log.warn({ file: file.journal.file }, 'nothing of this file was whole');
      for (const { manifest, manifestPath } of done) {
        const { frames, bytes_lost } = manifest.touchline;
        log.info({ manifest: manifestPath, frames, bytes_lost }, 'recovered');
        announce(manifest, manifestPath);
      }
    }
    recovered = recorderRunId;
  };

  /** The run of the recorder that may write now; undefined while nobody can know: it is gone, or the broker is. */
  const presentRun = (): string | undefined => (bus.connected ? recorder?.run_id : undefined);

  /** The next word of the recorder or of the broker, or the next beat, begins again. */
  const waitForRun = (): void => {
    recoveryWaits = true;
    recoveredFor = undefined;
  };

  /** A session that ended while this node had no file open: its last part turns out to be the final one. */
  const closeSession = async (ended: RigSession): Promise<void> => {
    if (recoveryWaits) {
      // A part that is not described yet may be the last.
      closed = undefined;
      return;
    }
    for (const { manifest, manifestPath } of await lastPartsOf(disk, ended.session_uid)) {
      if (manifest.touchline.final) continue;
      const final = asFinal(manifest, endingOf(ended.session_uid) ?? { stopAtUs: undefined });
      await writeManifest(disk, { manifest: final, manifestPath });
      announce(final, manifestPath);
    }
  };

  const announce = (manifest: TouchlineManifest, manifestPath: string): void =>
    bus.emit('recording/finished', {
      ...identityOf(manifest),
      manifest: manifestPath,
      recovered: manifest.touchline.recovered,
    });

  /** One piece of work on the disk after the other. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = working.then(() => {
      control.signal.throwIfAborted();
      return work();
    });
    working = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  };

  const queueWork = (what: string, work: () => Promise<void>): void => {
    pending++;
    working = inTurn(work)
      .then(() => void owed.delete(what))
      .catch((error: unknown) => {
        if (control.signal.aborted) return;
        owed.set(what, work);
        const fault =
          error instanceof TouchlineError
            ? error
            : new TouchlineError('internal', `${what} failed`, { cause: error });
        log.error({ err: fault }, `${what} failed; it is tried again`);
        bus.emit('recording/fault', { session_uid: null, error: fault.toWire() });
      })
      .finally(() => {
        pending--;
        publish();
      });
    publish();
  };

  /** Without knowing what the recorder writes, or while it opens or closes a file, nothing is deleted. */
  const mayNotDelete = (): TouchlineError | undefined => {
    const because = !recorder
      ? 'the recorder does not answer'
      : recovered !== recorder.run_id
        ? 'what an earlier run of the recorder left is not finished yet'
        : recorder.state === 'preparing' ||
            recorder.state === 'finalizing' ||
            (recorder.state === 'error' && recorder.session_uid !== null)
          ? `the recorder is in the state ${recorder.state}`
          : undefined;
    return because === undefined
      ? undefined
      : new TouchlineError('conflict', `nothing is deleted now: ${because}`);
  };

  /** By name too: a further part goes where its name is taken already. */
  const isUnderWay = ({ touchline, recording }: TouchlineManifest): boolean => {
    const { session_uid } = touchline;
    const { session_id } = recording;
    const rig = session?.state === 'stopped' ? undefined : session;
    const home = (offload?.items() ?? []).filter(({ state }) => BEING_SENT.includes(state));
    return (
      [rig, recorder?.recording].some(
        (open) => open?.session_uid === session_uid || open?.session_id === session_id,
      ) || [recorder?.session_uid, ...home.map((item) => item.session_uid)].includes(session_uid)
    );
  };

  const keepRoom = (): void => {
    inTurn(async () => {
      if (!mayNotDelete()) await retention?.run({ asked: false });
    })
      .catch((error: unknown) => {
        if (!control.signal.aborted)
          log.error({ err: error }, 'what is offloaded could not be deleted; it is tried again');
      })
      .finally(publish);
  };

  const look = (): void => {
    if (!recorder) return;
    const { run_id } = recorder;
    if (recoveredFor !== run_id) {
      recoveredFor = run_id;
      queueWork('recovery', recoverAll);
      keepRoom();
    }
    if (session?.state === 'stopped' && recorder.session_uid === null && closed !== session.session_uid) {
      const ended = session;
      closed = ended.session_uid;
      queueWork('recovery', recoverAll);
      queueWork(`closing session ${ended.session_id}`, () => closeSession(ended));
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
        inTurn,
        changed: publish,
        finished: (manifest) => {
          bus.emit('offload/finished', identityOf(manifest));
          keepRoom();
        },
        failed: (manifest, error) =>
          bus.emit('offload/failed', { ...identityOf(manifest), error: error.toWire() }),
      });
      offload = queue;
      const keeping = createRetention({
        config,
        disk,
        log,
        signal: control.signal,
        refusal: mayNotDelete,
        underWay: isUnderWay,
        deleted: (manifest, freedBytes) =>
          bus.emit('recording/deleted', { ...identityOf(manifest), freed_bytes: freedBytes }),
        doubtful: ({ touchline }, error) => {
          log.error({ err: error }, error.message);
          bus.emit('recording/fault', { session_uid: touchline.session_uid, error: error.toWire() });
        },
      });
      retention = keeping;
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
      bus.handle('deleteOffloaded', async () => {
        const done = await inTurn(() => keeping.run({ asked: true })).finally(publish);
        return { camera_id: config.camera_id, ...done };
      });
      serveShutdown({
        ...{ config, clock, bus, log, power: deps.power, signal: control.signal },
        recorder: () => recorder,
        rigRecords: () => session?.state === 'recording' || session?.state === 'preparing',
        written: () => inTurn(() => Promise.resolve()),
      });
      stops = [
        bus.onConnected((connected) => {
          if (connected) look();
        }),
        clock.every(RETENTION_EVERY_MS, 'room on the disk', () => {
          keepRoom();
          look();
          for (const [what, work] of [...owed]) queueWork(what, work);
        }),
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

function identityOf({ touchline, recording }: TouchlineManifest) {
  return { session_uid: touchline.session_uid, session_id: recording.session_id, part: touchline.part };
}
