import type { CommandResult } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import type { SessionUid } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { Bus, CommandContext } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Mastership } from './mastership.ts';

/** Hands what was asked here to the master, and reads what came of it in the rig's record. */
export interface HandOver {
  /**
   * Undefined when the master is silent and this node has to conduct. What every node got on the rig-wide topic has reached the master
   * already, under the same id: handing it on again runs nothing twice.
   */
  toMaster(
    what: { what: 'start' | 'stop' },
    input: object,
    context: CommandContext,
  ): Promise<CommandResult<'conduct'> | undefined>;
  /** Resolves with the rig's record of a session once it satisfies `wanted`. Rejects with `peer_silent`. */
  sessionWhere(
    uid: SessionUid,
    wanted: (session: RigSession) => boolean,
    timeoutMs: number,
    awaited: string,
  ): Promise<RigSession>;
  saw(session: RigSession): void;
}

export function createHandOver(deps: {
  readonly config: NodeConfig;
  readonly bus: Bus;
  readonly log: Logger;
  readonly mastership: Mastership;
  readonly signal: AbortSignal;
  /** Whether the master's node is known to be gone. */
  readonly masterGone: () => boolean;
  readonly session: () => RigSession | undefined;
}): HandOver {
  const { config, bus, log, mastership } = deps;
  const listeners = new Set<(session: RigSession) => void>();

  return {
    async toMaster(what, input, context) {
      if (mastership.isMaster || deps.masterGone()) return undefined;
      const { master } = mastership;
      try {
        return await bus.request(
          master,
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
        log.warn({ master }, 'the master is silent: conducting from here');
        return undefined;
      }
    },
    sessionWhere: (uid, wanted, timeoutMs, awaited) =>
      new Promise((resolve, reject) => {
        const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), deps.signal]);
        const settle = (): void => {
          listeners.delete(listener);
          signal.removeEventListener('abort', onAbort);
        };
        const onAbort = (): void => {
          settle();
          reject(
            new TouchlineError(
              'peer_silent',
              `${mastership.master} did not ${awaited} within ${timeoutMs} ms`,
            ),
          );
        };
        const listener = (session: RigSession): void => {
          if (session.session_uid !== uid || !wanted(session)) return;
          settle();
          resolve(session);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        listeners.add(listener);
        const known = deps.session();
        if (known) listener(known);
      }),
    saw(session) {
      for (const listener of [...listeners]) listener(session);
    },
  };
}
