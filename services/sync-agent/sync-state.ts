import type { WireError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { SyncState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { DISAGREEMENT_WARNING_MS } from '#domain/sync/compare.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { StateBody } from '#runtime/bus/bus.ts';
import type { TimeTalk } from './exchange.ts';
import type { Mastership } from './mastership.ts';
import type { Steps } from './steps.ts';
import type { Truth } from './truth.ts';

/** What sync-agent says about itself, now. */
export function describeSync(parts: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly mastership: Mastership;
  readonly truth: Truth;
  readonly talk: TimeTalk | undefined;
  readonly steps: Steps;
  readonly chrony: SyncState['chrony'];
  readonly warnings: readonly WireError[];
}): StateBody<'sync-agent'> {
  const { config, clock, mastership, truth, talk, steps } = parts;
  const monoUs = clock.monoUs();
  const localUs = wallAt(clock, monoUs);
  const rigTime = truth.rigTime(monoUs);
  const comparison = truth.comparison(monoUs);
  return {
    role: mastership.isMaster ? 'master' : 'follower',
    master: mastership.master,
    boot_id: clock.bootId,
    clock: truth.reading(monoUs),
    local_time: toWireTime(localUs),
    master_time: rigTime?.master ?? null,
    rig_time: rigTime,
    chrony: parts.chrony,
    exchange: exchangeRows(talk, monoUs, localUs),
    exchange_dropped: Object.values(talk?.dropped ?? {}).reduce((sum, count) => sum + count, 0),
    promotion: mastership.promotion,
    disagreement_ms: comparison?.disagreementMs ?? null,
    steps: [...steps.all],
    warnings: [
      ...(steps.warning() ? [steps.warning() as WireError] : []),
      ...(comparison?.warns ? [chronyDisagrees(comparison.disagreementMs)] : []),
      ...jumps(config, mastership, talk),
      ...(talk?.fault ? [talk.fault.toWire()] : []),
      ...parts.warnings,
    ],
  };
}

function exchangeRows(talk: TimeTalk | undefined, monoUs: number, localUs: number): SyncState['exchange'] {
  return (talk?.peers ?? []).map((cameraId) => {
    const time = talk?.with(cameraId);
    const now = time?.at(monoUs);
    return {
      camera_id: cameraId,
      offset_ms: now ? (localUs - now.masterUs) / 1000 : null,
      bound_ms: now ? now.boundUs / 1000 : null,
      ci95_ms: now ? now.ci95Us / 1000 : null,
      delay_ms: time?.delayUs === undefined ? null : time.delayUs / 1000,
      last_answer:
        time?.lastAnswerMonoUs === undefined ? null : toWireTime(localUs - (monoUs - time.lastAnswerMonoUs)),
    };
  });
}

function chronyDisagrees(ms: number): WireError {
  return {
    code: 'clock_disagreement',
    message: `chronyd and the exchange between the nodes disagree by ${ms.toFixed(1)} ms; ${DISAGREEMENT_WARNING_MS} ms are normal`,
    details: { disagreement_ms: ms },
  };
}

/** The master tells a time that cannot go with the one before: this node keeps the line of the session that runs. */
function jumps(config: NodeConfig, mastership: Mastership, talk: TimeTalk | undefined): WireError[] {
  if (mastership.isMaster || !talk?.with(mastership.master)?.contradicts) return [];
  return [
    {
      code: 'clock_disagreement',
      message: `${mastership.master} tells another time than before; ${config.camera_id} keeps the one of the session until it ends`,
    },
  ];
}
