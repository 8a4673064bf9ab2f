import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { GnssReceiver } from '#ports/gnss/gnss.ts';
import type { HostClock } from '#ports/host-clock/host-clock.ts';
import type { Speaker } from '#ports/sound/speaker.ts';
import type { TimeDaemon } from '#ports/time-daemon/time-daemon.ts';
import type { TimeExchange } from '#ports/time-exchange/time-exchange.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { rigPeers } from '#runtime/rig-peers.ts';
import { createStartBeep } from './beep.ts';
import { createClockKeeper } from './clock-keeper.ts';
import { createConductor, isUnderWay } from './conductor.ts';
import { createTimeTalk } from './exchange.ts';
import { createGnssFeed } from './gnss.ts';
import { createHandOver } from './hand-over.ts';
import { createHostUnit } from './host-unit.ts';
import { createMastership } from './mastership.ts';
import { createOwnTime } from './own-time.ts';
import { serveStarts } from './serve-starts.ts';
import { createTimeSetter } from './set-time.ts';
import { createSteps } from './steps.ts';
import { createSuccession } from './succession.ts';
import { describeSync } from './sync-state.ts';
import { createTruth } from './truth.ts';

export interface SyncAgentDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  /** The exchange of time with the other nodes; none when left out. */
  readonly exchange?: TimeExchange | undefined;
  /** The chronyd of this node, with `sync.clock: chronyd`; when left out, the clock is left to the operating system. */
  readonly daemon?: TimeDaemon | undefined;
  /** The host's own time service, which has to let go of the clock. */
  readonly hostClock?: HostClock | undefined;
  /** A GNSS receiver for chronyd. */
  readonly receiver?: GnssReceiver | undefined;
  /** Sounds the start beep while this node is the master; silent when left out. */
  readonly speaker?: Speaker | undefined;
  /** What the node keeps over restarts; when left out, a promotion lasts as long as this run. */
  readonly state?: Disk | undefined;
}

const STATE_INTERVAL_MS = 1000;
const STEP_LOOK_MS = 100;

export function createSyncAgent(deps: SyncAgentDeps): Unit {
  const { config, clock, bus, log } = deps;
  const control = new AbortController();
  const available = new Map<CameraId, boolean>();
  const mastership = createMastership({ config, log, state: deps.state });
  const ownTime = createOwnTime(clock);
  const steps = createSteps(clock);
  const peers = rigPeers({ config, bus });
  const talk =
    deps.exchange &&
    createTimeTalk({
      config,
      clock,
      log,
      exchange: deps.exchange,
      peers,
      master: () => mastership.master,
      ownTime: (monoUs) => truth.answer(monoUs),
      mayJump: () => !conductor.recording,
      onAnswer: (from) => {
        succession.look();
        // The first answer of the master ends the time of not knowing; nobody has to wait for the next second.
        if (from === mastership.master && !known) publish();
      },
    });
  const succession = createSuccession({
    clock,
    log,
    mastership,
    ownTime,
    peers: talk?.peers ?? [],
    measured: (cameraId) => talk?.with(cameraId),
  });
  const truth = createTruth({
    clock,
    mastership,
    ownTime,
    settled: () => succession.settled,
    measured: () => talk?.with(mastership.master),
    chrony: () => keeper?.time,
    stratum: () => keeper?.state.stratum ?? null,
    recordingAt: (masterUs) => conductor.session !== undefined && isUnderWay(conductor.session, masterUs),
  });
  const hostUnit = createHostUnit({
    hostClock: deps.hostClock,
    unit: config.sync.chronyd.host_unit,
    state: deps.state,
    log,
  });
  const masterNowUs = (): number => truth.at(clock.monoUs())?.masterUs ?? clock.wallUs();
  const conductor = createConductor({
    config,
    bus,
    clock,
    log,
    masterNowUs,
    master: () => mastership.master,
    onRecord: (session) => beep?.saw(session),
  });
  const beep =
    deps.speaker &&
    createStartBeep({
      clock,
      log,
      speaker: deps.speaker,
      signal: control.signal,
      isMaster: () => mastership.isMaster,
      monoOfMaster: (masterUs) => truth.monoOf(masterUs),
      onBeep(sessionUid, monoUs) {
        const at = truth.at(monoUs);
        if (at) conductor.beeped(sessionUid, at.masterUs);
      },
    });
  const handOver = createHandOver({
    config,
    bus,
    log,
    mastership,
    signal: control.signal,
    masterGone: () => available.get(mastership.master) === false,
    session: () => conductor.session,
  });
  const keeper =
    deps.daemon &&
    createClockKeeper({
      config,
      clock,
      log,
      daemon: deps.daemon,
      hostUnit,
      mastership,
      peers,
      recording: () => conductor.recording,
      onChange: () => publish(),
    });
  const gnss =
    deps.receiver &&
    createGnssFeed({
      clock,
      log,
      receiver: deps.receiver,
      onSample: (sample) => keeper?.addSample(sample),
    });
  const timeSetter = createTimeSetter({
    clock,
    log,
    daemon: deps.daemon,
    keeper,
    mastership,
    recording: () => conductor.recording,
    state: deps.state,
  });
  const units = group(...[peers, talk, keeper, gnss].filter((unit) => unit !== undefined));
  peers.onChange(() => keeper?.replan());
  let known = false;
  let stops: (() => void)[] = [];

  const publish = (): void => {
    const state = describeSync({
      config,
      clock,
      mastership,
      truth,
      talk,
      steps,
      chrony: keeper?.state ?? null,
      warnings: [keeper?.warning, gnss?.warning, beep?.warning].filter((warning) => warning !== undefined),
    });
    known = state.rig_time !== null;
    bus.setState('sync-agent', state);
  };

  const look = (): void => {
    const line = ownTime.line;
    ownTime.look(conductor.recording);
    const step = steps.look(conductor.recording);
    if (step) {
      log.warn({ step, recording: conductor.recording }, 'the clock was stepped');
      bus.emit('clock/step', { step });
    }
    if (step || line !== ownTime.line || known !== (truth.at(clock.monoUs()) !== undefined)) publish();
  };

  const masterIsAnother = (): void => {
    truth.masterChanged();
    keeper?.replan();
    log.warn({ master: mastership.master }, 'another node is the master of time and starts');
    publish();
  };

  const watches = (): (() => void)[] => [
    bus.watchSession((session) => {
      conductor.saw(session);
      succession.saw(session);
      handOver.saw(session);
      beep?.saw(session);
    }),
    bus.watchAvailability((node, availability) => available.set(node, availability.state === 'online')),
    bus.watchState('sync-agent', (node, seen) => {
      if (node === config.camera_id || !seen.online) return;
      // A session keeps its master; the promotion is told again every second.
      if (!conductor.recording && mastership.saw(seen.state.promotion)) masterIsAnother();
      if (node !== mastership.master) return;
      truth.heardMaster(seen.state);
      publish();
    }),
  ];

  return {
    async start(signal) {
      await mastership.load();
      serveStarts({ bus, log, config, conductor, handOver, masterNowUs });
      bus.handle('promote', async () => {
        if (conductor.recording)
          throw new TouchlineError('already_recording', 'a session keeps its master; stop the rig first');
        const before = mastership.master;
        await mastership.promote();
        if (before !== mastership.master) masterIsAnother();
        return { master: mastership.master };
      });
      bus.handle('setTime', async ({ time }) => {
        const step_ms = await timeSetter.set(fromWireTime(time));
        look();
        return { step_ms };
      });
      // A run that crashed may have left the host without its time service.
      if (!keeper)
        await hostUnit
          .giveBack()
          .catch((error: unknown) => log.error({ err: error }, 'the host is without its time service'));
      stops = [
        ...watches(),
        clock.every(STATE_INTERVAL_MS, 'sync state', async () => {
          publish();
          await timeSetter
            .noteFollowed()
            .catch((error: unknown) => log.warn({ err: error }, 'what the clock is is not kept'));
        }),
        clock.every(STEP_LOOK_MS, 'steps of the clock', look),
      ];
      publish();
      await units.start(signal);
    },
    async stop() {
      control.abort(new TouchlineError('shutting_down', 'sync-agent is stopping'));
      for (const stop of stops.splice(0)) stop();
      await units.stop();
    },
  };
}
