import { hostname } from 'node:os';
import { TouchlineError } from '#contracts/errors.ts';
import type { AudioTrack } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { SelfTestResult } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Camera, FrameSyncRole } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { UpdateLock } from '#ports/update-lock/update-lock.ts';
import type { Vitals } from '#ports/vitals/vitals.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { armCamera } from './armed.ts';
import { createDevices } from './devices.ts';
import { createEncoderCare } from './encoder-care.ts';
import { createFaults } from './faults.ts';
import { batteryFromHealth } from './health-battery.ts';
import { createLadder } from './ladder.ts';
import { createLockViews } from './lock-view.ts';
import { createMoments } from './moments.ts';
import { createNodeSession, type Opening } from './node-session.ts';
import type { PipelineListener } from './pipeline.ts';
import { createPreview } from './preview.ts';
import { createPreviewSocket } from './preview-socket.ts';
import { createPreviews } from './previews.ts';
import { type RigClock, watchRigClock } from './rig-clock.ts';
import { runSelfTest } from './self-test.ts';
import { type AudioInput, SAMPLE_RATE, type SoundState } from './sound.ts';
import { startTake, type Take } from './take.ts';
import { createUpdateHold } from './update-hold.ts';

export interface RecorderDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly disk: Disk;
  /** What is kept beside recordings. */
  readonly state: Disk;
  readonly camera: Camera;
  readonly vitals: Vitals;
  /** Held while something is armed, recorded or finished. */
  readonly updateLock: UpdateLock;
  readonly bus: Bus;
  readonly log: Logger;
  readonly version: string;
  /** Unix socket where this node's api asks for pictures; none when left out. */
  readonly previewSocket?: string;
}

const STATE_INTERVAL_MS = 500;
const GAP_EVERY_US = 1_000_000;

export function createRecorder(deps: RecorderDeps): Unit {
  const { config, clock, disk, bus, log, version } = deps;
  const healthBattery =
    config.sensors.battery === 'none'
      ? undefined
      : batteryFromHealth({ vitals: deps.vitals, bus, clock, cameraId: config.camera_id });
  const vitals = healthBattery ?? deps.vitals;
  const control = new AbortController();
  let rigClock: (RigClock & { stop(): void }) | undefined;
  let rigSession: RigSession | undefined;
  let audioEnabled = config.audio.enabled;
  /** Why there is silence in the sound; null when there is sound. */
  let silent: string | null = null;
  let masterThere = false;
  let nextGapUs = 0;
  let selfTest: SelfTestResult | null = null;
  /** The self-test that runs: a start ends it. */
  let testing: { readonly control: AbortController; readonly cameraFree: Promise<void> } | undefined;
  let stopTimers: (() => void)[] = [];

  const rig = (): RigClock => {
    if (!rigClock) throw new TouchlineError('internal', 'the recorder was used before its start');
    return rigClock;
  };
  const masterOfLocal = (localUs: number): number => rig().masterNowUs() + localUs - clock.wallUs();

  const faults = createFaults((error) => {
    log.error({ err: error }, error.message);
    bus.emit('recording/fault', { session_uid: node.take?.sessionUid ?? null, error: error.toWire() });
    publish();
  });
  const updates = createUpdateHold({ lock: deps.updateLock, clock, log });
  const preview = createPreview({
    camera: deps.camera,
    clock,
    log,
    taken: () => node.take !== undefined || node.state === 'armed' || testing !== undefined,
  });
  /** The camera as sessions open it: what else has it lets go first. */
  const camera: Camera = {
    ...preview.camera,
    async open(options) {
      await Promise.all([testing?.cameraFree, node.released]);
      return preview.camera.open(options);
    },
  };
  const previewSocket = deps.previewSocket
    ? createPreviewSocket({ path: deps.previewSocket, preview, log })
    : group();
  const previews = createPreviews({ config, vitals, clock, preview });
  const lockViews = createLockViews({ disk, clock, masterOfLocal });
  const ladder = createLadder({ camera: config.camera, clock, state: deps.state, version, log });
  const devices = createDevices({
    camera,
    disk,
    vitals,
    config,
    choose: (offer) => ladder.choose(offer),
  });
  const care = createEncoderCare({
    ladder,
    devices,
    clock,
    bus,
    log,
    // Where the picture is made by the machine itself there is no encoder to spare it.
    measures: 'encoder' in config.camera,
    changed: () => publish(),
  });

  const audioTrack = (): AudioTrack | null =>
    audioEnabled ? { codec: 'aac', sample_rate_hz: SAMPLE_RATE, channels: config.audio.channels } : null;
  const onSound = ({ reason }: SoundState): void => {
    silent = reason;
    if (reason === null) log.info('the microphone is heard');
    else log.warn({ reason }, 'the microphone is not heard; the pictures go on');
    publish();
  };
  /** Whose beat an armed camera follows: that of the master's, while the master is there. */
  const frameSync = (): FrameSyncRole | undefined => {
    const { camera: wanted, camera_id, cameras, sync } = config;
    if (wanted.source !== 'rpicam' || !wanted.frame_sync || cameras.length < 2) return undefined;
    if (camera_id === sync.master) return 'server';
    return masterThere ? 'client' : undefined;
  };
  const microphone = (): AudioInput | undefined =>
    audioEnabled ? { device: config.audio.device, channels: config.audio.channels } : undefined;

  const originUnknown = (): void =>
    log.warn('the camera does not tell when its first frame was exposed: it is dated by its arrival');
  /** Who sees what a take records, after its file has it. */
  const watchers: PipelineListener = {
    opened(pipeline) {
      care.listener.opened(pipeline);
      preview.listener.opened(pipeline);
    },
    fragment(fragment) {
      care.listener.fragment(fragment);
      preview.listener.fragment(fragment);
    },
    originUnknown,
  };

  const openTake = ({ session, choice, overridden, armed, onRecording }: Opening): Take =>
    startTake({
      disk,
      clock,
      camera,
      profile: choice,
      audio: audioTrack(),
      microphone: microphone(),
      onSound,
      lockView: lockViews.latest,
      preRollUs: armed ? config.recording.pre_roll_sec * 1e6 : 0,
      ...(armed ? { armed } : {}),
      preview: watchers,
      identity: {
        sessionId: session.session_id,
        sessionUid: session.session_uid,
        cameraId: config.camera_id,
        position: config.position,
      },
      overriddenGates: overridden,
      queueLimitBytes: config.recording.queue_mib * 2 ** 20,
      syncIntervalMs: config.recording.sync_interval_ms,
      rig: { reading: () => rig().reading(), masterOfMono: (monoUs) => rig().masterOfMono(monoUs) },
      version,
      hostname: hostname(),
      runId: bus.runId,
      beepAt: () => (rigSession?.session_uid === session.session_uid ? (rigSession.beep_at ?? null) : null),
      onFault: (error) => faults.add(error),
      onGap: (gap) => {
        // The manifest has them all; who listens needs no more than one a second.
        if (clock.monoUs() < nextGapUs) return;
        nextGapUs = clock.monoUs() + GAP_EVERY_US;
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
      onRecording,
    });

  const node = createNodeSession({
    config,
    clock,
    bus,
    log,
    devices,
    faults,
    rig,
    updates,
    signal: control.signal,
    yieldCamera: () => {
      testing?.control.abort(
        new TouchlineError('illegal_transition', 'the self-test was given up: a session begins'),
      );
      care.yield();
      preview.yield();
    },
    armCamera: ({ profile }) =>
      armCamera({
        camera,
        clock,
        profile,
        keepUs: config.recording.pre_roll_sec * 1e6,
        microphone: microphone(),
        frameSync: frameSync(),
        preview: { ...preview.listener, originUnknown },
        onFault: (error) => faults.add(error),
        onShown: () => {
          faults.clear();
          publish();
        },
        onSound,
      }),
    openTake,
    changed: () => publish(),
  });

  const moments = createMoments({ config, disk, clock, bus, rig, take: () => node.take });

  const publish = (): void => {
    const { state, take, armedUntil } = node;
    bus.setState('recorder', {
      boot_id: clock.bootId,
      state,
      recording: take?.progress() ?? null,
      session_uid: take?.sessionUid ?? null,
      ...devices.state(take?.profile),
      armed_until: armedUntil,
      audio: { enabled: audioEnabled, track: take ? audioTrack() : null, silent: take ? silent : null },
      preview: previews.state,
      lock_view: rigClock ? lockViews.latest : null,
      self_test: selfTest,
      update_lock: updates.state(),
      gates: node.gates(),
      faults: faults.list(),
      encoder_restarts: take?.restarts.encoder ?? 0,
      disk_errors: take?.restarts.disk ?? 0,
    });
  };

  const testNow = async (seconds: number): Promise<SelfTestResult> => {
    node.requireIdle('a self-test');
    if (testing) throw new TouchlineError('illegal_transition', 'a self-test is running already');
    const given = new AbortController();
    const cameraFree = Promise.withResolvers<void>();
    const run = async (): Promise<SelfTestResult> => {
      care.yield();
      preview.yield();
      const choice = await devices.look(control.signal);
      if (!choice)
        throw new TouchlineError('camera_missing', devices.state().camera.reason ?? 'there is no camera');
      return runSelfTest({
        camera: preview.camera,
        clock,
        disk,
        profile: choice.profile,
        seconds,
        encoderSpeed: devices.offer ? ladder.speedOf(devices.offer, choice.profile) : null,
        queueLimitBytes: config.recording.queue_mib * 2 ** 20,
        syncIntervalMs: config.recording.sync_interval_ms,
        onCameraFree: cameraFree.resolve,
        signal: AbortSignal.any([control.signal, given.signal]),
      });
    };
    const result = run();
    testing = { control: given, cameraFree: cameraFree.promise };
    try {
      selfTest = await result;
      return selfTest;
    } finally {
      cameraFree.resolve();
      testing = undefined;
      publish();
    }
  };

  return {
    async start(signal) {
      updates.adopt();
      rigClock = watchRigClock({ bus, clock, cameraId: config.camera_id });
      await ladder.load();
      await devices.look(control.signal);
      await lockViews
        .load()
        .catch((error: unknown) => log.warn({ err: error }, 'the last Lock View cannot be read'));
      bus.handle('prepare', (input) => node.prepare(input));
      bus.handle('start', async (input) => node.start(input));
      bus.handle('stop', async (input) => node.stop(input));
      bus.handle('arm', () => node.arm());
      bus.handle('disarm', () => node.disarm());
      bus.handle('moment', (input, context) => moments.mark(input, context));
      bus.handle('selfTest', ({ seconds }) => testNow(seconds));
      bus.handle('lockView', async () => {
        const view = await lockViews.keep(await preview.still());
        publish();
        return view;
      });
      bus.handle('audio', async ({ enabled }) => {
        node.requireIdle('switching the sound');
        audioEnabled = enabled;
        silent = null;
        publish();
        return { ...node.answer(), enabled };
      });
      bus.handle('preview', async ({ enabled }) => {
        previews.switch(enabled);
        publish();
        return { ...node.answer(), enabled };
      });
      stopTimers = [
        ...(healthBattery ? [healthBattery.start()] : []),
        bus.watchAvailability((from, { state }) => {
          if (from === config.sync.master) masterThere = state === 'online';
        }),
        bus.watchSession((session) => {
          rigSession = session;
          node.follow(session);
        }),
        clock.every(STATE_INTERVAL_MS, 'recorder state', async () => {
          if (!node.take && !devices.offer) await devices.look(control.signal);
          else await devices.lookAround();
          previews.look();
          care.look({ take: node.take, idle: node.state === 'idle' && !testing });
          if (!node.take) node.follow();
          updates.look(node.take !== undefined || !['idle', 'error'].includes(node.state));
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
      await node.close();
      updates.release();
      control.abort(new TouchlineError('shutting_down', 'the recorder is stopping'));
      await care.stop();
      await preview.stop();
      await previewSocket.stop();
      rigClock?.stop();
    },
  };
}
