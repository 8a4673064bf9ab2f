import { TouchlineError, type WireError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { SyncState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { chronyConfig } from '#domain/chrony/config.ts';
import type { ClockSample } from '#domain/chrony/sock-sample.ts';
import { followsReference, type Tracking, trackingBoundUs } from '#domain/chrony/tracking.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { RunningDaemon, TimeDaemon } from '#ports/time-daemon/time-daemon.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import type { RigPeers } from '#runtime/rig-peers.ts';
import type { HostUnit } from './host-unit.ts';
import type { Mastership } from './mastership.ts';
import type { BoundedLine } from './truth.ts';

/** What chronyd says, as a source of rig time. */
export interface ChronyTime extends BoundedLine {
  /** It follows a node of the rig; otherwise something outside, which the master follows with an error of its own. */
  readonly followsRig: boolean;
}

/** Runs chronyd for this node, for as long as this program runs. */
export interface ClockKeeper extends Unit {
  readonly state: NonNullable<SyncState['chrony']>;
  readonly warning: WireError | undefined;
  /** Undefined while chronyd follows nothing, or has been silent for long. */
  readonly time: ChronyTime | undefined;
  /** Whether it followed something outside of the rig at any time in this run: the clock has been right. */
  readonly everFollowed: boolean;
  /** A measurement of a receiver; dropped while chronyd does not run. */
  addSample(sample: ClockSample): void;
  /** The role of this node changed: chronyd gets another configuration. */
  replan(): void;
}

/** Addresses that stand for all. */
const EVERYWHERE = ['0.0.0.0', '::'];
const ASK_EVERY_MS = 1000;
/** Pauses before chronyd is started again, the last one from then on. */
const RESTART_PAUSES_MS = [500, 1000, 2000, 5000, 10_000, 30_000];
/** One that ran for so long failed for a new reason. */
const RAN_WELL_US = 60_000_000;
/** Names of hosts are looked up again, for one may have been away at the start. */
const REPLAN_EVERY_MS = 60_000;
/** Silent for so long, it hangs. */
const SILENCES_UNTIL_RESTART = 10;

export function createClockKeeper(deps: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly daemon: TimeDaemon;
  readonly hostUnit: HostUnit;
  readonly mastership: Mastership;
  readonly peers: RigPeers;
  readonly recording: () => boolean;
  /** Something worth publishing changed. */
  readonly onChange: () => void;
}): ClockKeeper {
  const { config, clock, log, daemon, mastership } = deps;
  const control = new AbortController();
  let running: RunningDaemon | undefined;
  let failure: TouchlineError | undefined;
  let planned = '';
  let heard: { readonly tracking: Tracking; readonly time: ChronyTime } | undefined;
  let silences = 0;
  let everFollowed = false;
  let addresses: readonly string[] = [];
  let done: Promise<void> = Promise.resolve();
  let stops: (() => void)[] = [];

  const plan = async (mayStep: boolean): Promise<string> => {
    const { port, upstream, gnss_device, pps_device } = config.sync.chronyd;
    const hosts = deps.peers.cameras.flatMap((camera) => deps.peers.addressOf(camera)?.host ?? []);
    const others = await Promise.all(hosts.map((host) => daemon.resolve(host)));
    addresses = others.filter((address) => address !== undefined);
    return chronyConfig({
      role: mastership.isMaster ? 'master' : 'follower',
      port,
      ...(EVERYWHERE.includes(config.sync.exchange_host) ? {} : { listen: config.sync.exchange_host }),
      others: addresses,
      upstream,
      ...(gnss_device === undefined ? {} : { gnssSocket: daemon.files.gnssSocket }),
      ...(pps_device === undefined ? {} : { ppsDevice: pps_device }),
      mayStep,
      files: daemon.files,
    });
  };

  const fail = (error: unknown): void => {
    const next =
      error instanceof TouchlineError
        ? error
        : new TouchlineError('time_daemon_failed', 'chronyd failed', { cause: error });
    if (failure?.message !== next.message) log.error({ err: next }, next.message);
    failure = next;
    heard = undefined;
    deps.onChange();
  };

  /** One run of chronyd, from its start to its end; how long it ran. */
  const runOnce = async (): Promise<number> => {
    const startedUs = clock.monoUs();
    try {
      await deps.hostUnit.takeOver();
      planned = await plan(true);
      running = await daemon.start(deps.recording() ? await plan(false) : planned);
      failure = undefined;
      silences = 0;
      log.info({ master: mastership.isMaster }, 'chronyd runs');
      // Nobody else stops one that was still starting when this program was told to end.
      if (control.signal.aborted) await running.stop();
      else await ask();
      const reason = await running.ended;
      if (reason !== undefined) fail(new TouchlineError('time_daemon_failed', `chronyd ended: ${reason}`));
    } catch (error) {
      fail(error);
    }
    running = undefined;
    return clock.monoUs() - startedUs;
  };

  const run = async (): Promise<void> => {
    for (let attempt = 0; !control.signal.aborted; attempt++) {
      const ranUs = await runOnce();
      if (failure === undefined || ranUs > RAN_WELL_US) attempt = 0;
      const pauseMs = RESTART_PAUSES_MS[Math.min(attempt, RESTART_PAUSES_MS.length - 1)] ?? 0;
      await clock
        .sleepUntil(clock.monoUs() + pauseMs * 1000, 'next start of chronyd', control.signal)
        .catch((error: unknown) => {
          if (!control.signal.aborted) throw error;
        });
    }
  };

  const ask = async (): Promise<void> => {
    const asked = running;
    if (asked === undefined) return;
    try {
      const tracking = await asked.tracking();
      if (asked !== running) return;
      silences = 0;
      failure = undefined;
      const monoUs = clock.monoUs();
      const followsRig = addresses.includes(tracking.referenceName ?? '');
      everFollowed ||= followsReference(tracking) && !followsRig;
      heard = {
        tracking,
        time: {
          line: { monoUs, masterUs: wallAt(clock, monoUs) - Math.round(tracking.offsetUs), ratePpm: 0 },
          boundUs: trackingBoundUs(tracking) + 2 * clock.readErrorUs,
          followsRig,
        },
      };
    } catch (error) {
      if (asked !== running) return;
      silences++;
      fail(error);
      if (silences >= SILENCES_UNTIL_RESTART) {
        log.error('chronyd is silent: it is started again');
        await asked.stop();
      }
    }
  };

  const restartIfPlanned = async (): Promise<void> => {
    const current = running;
    // A chronyd that starts measures anew, which can wait until nothing records.
    if (current === undefined || deps.recording()) return;
    if ((await plan(true)) === planned || current !== running) return;
    log.info('chronyd gets another configuration');
    await current.stop();
  };

  const replan = (): void => {
    restartIfPlanned().catch(fail);
  };

  return {
    get state(): NonNullable<SyncState['chrony']> {
      const tracking = heard?.tracking;
      const ms = (us: number | undefined): number | null => (us === undefined ? null : us / 1000);
      return {
        state: failure ? 'failed' : running ? 'running' : 'starting',
        reference: tracking?.referenceName ?? tracking?.referenceId ?? null,
        stratum: tracking?.stratum ?? null,
        offset_ms: ms(tracking?.offsetUs),
        // A clock that follows nothing is no nearer to anything outside, however exact it is to itself.
        bound_ms: tracking && followsReference(tracking) ? trackingBoundUs(tracking) / 1000 : null,
        frequency_ppm: tracking?.frequencyPpm ?? null,
        last_update:
          tracking === undefined || tracking.referenceTimeUs === null
            ? null
            : toWireTime(tracking.referenceTimeUs),
        reason: failure?.message ?? null,
      };
    },
    get warning() {
      return failure?.toWire();
    },
    get time() {
      return heard && followsReference(heard.tracking) ? heard.time : undefined;
    },
    get everFollowed() {
      return everFollowed;
    },
    addSample(sample) {
      running?.addSample(sample).catch(fail);
    },
    replan,
    async start() {
      done = run();
      done.catch((error: unknown) => log.error({ err: error }, 'nobody keeps chronyd running'));
      stops = [
        clock.every(ASK_EVERY_MS, 'what chronyd says', ask),
        clock.every(REPLAN_EVERY_MS, 'addresses of the rig', restartIfPlanned),
      ];
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      control.abort(new TouchlineError('shutting_down', 'sync-agent is stopping'));
      await running?.stop();
      await done;
      await deps.hostUnit
        .giveBack()
        .catch((error: unknown) => log.error({ err: error }, 'the next start gives the clock back'));
    },
  };
}
