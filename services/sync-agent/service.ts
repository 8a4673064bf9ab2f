import type { CommandResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId, SessionUid } from '#contracts/ids.ts';
import type { ClockReading } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import { toWireTime } from '#contracts/time.ts';
import { masterUs } from '#domain/recording/manifest.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus, CommandContext } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createConductor, resultOf } from './conductor.ts';

export interface SyncAgentDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
}

const STATE_INTERVAL_MS = 1000;
const SAME_KERNEL_STRATUM = 8;

export function createSyncAgent(deps: SyncAgentDeps): Unit {
  const { config, clock, bus, log } = deps;
  const isMaster = config.camera_id === config.sync.master;
  const control = new AbortController();
  /** Kernel of the master, as its own sync-agent tells. */
  let masterBootId: string | undefined = isMaster ? clock.bootId : undefined;
  const available = new Map<CameraId, boolean>();
  const sessionListeners = new Set<(session: RigSession) => void>();
  let stops: (() => void)[] = [];

  const reading = (): ClockReading => {
    // One kernel, one clock: the only error is that of reading it twice. Across kernels nothing has been measured, and so nothing is claimed.
    if (masterBootId === clock.bootId) {
      const boundMs = (2 * clock.readErrorUs) / 1000;
      return {
        source: 'same_kernel',
        offset_ms: 0,
        bound_ms: boundMs,
        ci95_ms: boundMs,
        confidence: 1,
        stratum: isMaster ? SAME_KERNEL_STRATUM : SAME_KERNEL_STRATUM + 1,
        last_sync: toWireTime(clock.wallUs()),
      };
    }
    return {
      source: 'none',
      offset_ms: null,
      bound_ms: null,
      ci95_ms: null,
      confidence: 0,
      stratum: null,
      last_sync: null,
    };
  };

  const masterNowUs = (): number => {
    const localUs = clock.wallUs();
    return masterUs(localUs, reading()) ?? localUs;
  };

  const conductor = createConductor({ config, bus, clock, log, masterNowUs });

  const publish = (): void => {
    const clockReading = reading();
    const localUs = clock.wallUs();
    const master = masterUs(localUs, clockReading);
    bus.setState('sync-agent', {
      role: isMaster ? 'master' : 'follower',
      master: config.sync.master,
      boot_id: clock.bootId,
      clock: clockReading,
      local_time: toWireTime(localUs),
      master_time: master === null ? null : toWireTime(master),
    });
  };

  /** Resolves with the rig's record of a session once it satisfies `wanted`. */
  const sessionWhere = (
    uid: SessionUid,
    wanted: (session: RigSession) => boolean,
    timeoutMs: number,
    awaited: string,
  ): Promise<RigSession> =>
    new Promise((resolve, reject) => {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), control.signal]);
      const settle = (): void => {
        sessionListeners.delete(listener);
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        settle();
        reject(
          new TouchlineError(
            'peer_silent',
            `${config.sync.master} did not ${awaited} within ${timeoutMs} ms`,
          ),
        );
      };
      const listener = (session: RigSession): void => {
        if (session.session_uid !== uid || !wanted(session)) return;
        settle();
        resolve(session);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      sessionListeners.add(listener);
      if (conductor.session) listener(conductor.session);
    });

  /**
   * Hands a start or stop to the master; undefined when it is silent and this node has to conduct. What every node got on the
   * rig-wide topic has reached the master already, under the same id: handing it on again runs nothing twice.
   */
  const handToMaster = async (
    what: { what: 'start' | 'stop' },
    input: object,
    context: CommandContext,
  ): Promise<CommandResult<'conduct'> | undefined> => {
    if (isMaster || available.get(config.sync.master) === false) return undefined;
    try {
      return await bus.request(
        config.sync.master,
        'conduct',
        { ...what, ...input },
        {
          timeoutMs: config.sync.master_timeout_ms,
          id: `${context.id}-c`.slice(-64),
          issuedBy: config.camera_id,
        },
      );
    } catch (error) {
      if (
        error instanceof TouchlineError &&
        error.code !== 'peer_silent' &&
        error.code !== 'broker_unreachable'
      )
        throw error;
      log.warn({ master: config.sync.master }, 'the master is silent: conducting from here');
      return undefined;
    }
  };

  return {
    async start() {
      bus.handle('rigStart', async (input, context) => {
        const handed = await handToMaster({ what: 'start' }, input, context);
        if (!handed) return conductor.start(input).result;
        const session = await sessionWhere(
          handed.session_uid,
          (seen) => seen.start_at !== null || seen.state === 'failed',
          config.sync.ready_timeout_ms + 2000,
          'start the rig',
        );
        if (session.start_at === null)
          throw new TouchlineError('no_camera_ready', `no camera can record: ${session.reason ?? ''}`, {
            details: { cameras: session.cameras },
          });
        return resultOf(session, session.start_at);
      });
      bus.handle('rigStop', async (input, context) => {
        const handed = await handToMaster({ what: 'stop' }, input, context);
        if (!handed) return conductor.stop(input).result;
        const session = await sessionWhere(
          handed.session_uid,
          (seen) => seen.stop_at !== null,
          2000,
          'stop the rig',
        );
        return {
          session_uid: session.session_uid,
          session_id: session.session_id,
          stop_at: session.stop_at ?? toWireTime(masterNowUs()),
          cameras: session.cameras,
        };
      });
      bus.handle('conduct', async (input) => {
        const conducted = input.what === 'start' ? conductor.start(input) : conductor.stop(input);
        // Whoever handed it over reads the outcome in the record; a refusal is there too.
        conducted.result.catch((error: unknown) =>
          log.warn({ err: error }, 'the start or stop that was handed over failed'),
        );
        return {
          conductor: config.camera_id,
          session_uid: conducted.sessionUid,
          session_id: conducted.sessionId,
        };
      });
      stops = [
        bus.watchSession((session) => {
          conductor.saw(session);
          for (const listener of [...sessionListeners]) listener(session);
        }),
        bus.watchAvailability((node, availability) => available.set(node, availability.state === 'online')),
        bus.watchState('sync-agent', (node, seen) => {
          if (node !== config.sync.master || isMaster || !seen.online) return;
          masterBootId = seen.state.boot_id;
          publish();
        }),
        clock.every(STATE_INTERVAL_MS, 'sync state', publish),
      ];
      publish();
    },
    async stop() {
      control.abort(new TouchlineError('shutting_down', 'sync-agent is stopping'));
      for (const stop of stops.splice(0)) stop();
    },
  };
}
