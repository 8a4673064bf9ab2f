import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Conductor } from './conductor.ts';
import { refusalOf, resultOf } from './conductor.ts';
import type { HandOver } from './hand-over.ts';

/** What a start may take beyond the barrier until its record is there. */
const START_PATIENCE_MS = 2000;
const STOP_PATIENCE_MS = 2000;

/** Serves start, stop and conduct: handed to the master, conducted here when it is silent. */
export function serveStarts(deps: {
  readonly bus: Bus;
  readonly log: Logger;
  readonly config: NodeConfig;
  readonly conductor: Conductor;
  readonly handOver: HandOver;
  readonly masterNowUs: () => number;
}): void {
  const { bus, log, config, conductor, handOver, masterNowUs } = deps;

  bus.handle('rigStart', async (input, context) => {
    const handed = await handOver.toMaster({ what: 'start' }, input, context);
    if (!handed) return conductor.start(input).result;
    const session = await handOver.sessionWhere(
      handed.session_uid,
      (seen) => seen.start_at !== null || seen.state === 'failed',
      config.sync.ready_timeout_ms + START_PATIENCE_MS,
      'start the rig',
    );
    if (session.start_at === null) throw refusalOf(session);
    return resultOf(session, session.start_at);
  });
  bus.handle('rigStop', async (input, context) => {
    const handed = await handOver.toMaster({ what: 'stop' }, input, context);
    if (!handed) return conductor.stop(input).result;
    const session = await handOver.sessionWhere(
      handed.session_uid,
      (seen) => seen.stop_at !== null,
      STOP_PATIENCE_MS,
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
}
