import { TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { ButtonAction } from '#domain/signals/button.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Listening } from './listening.ts';
import type { Voice } from './voice.ts';

/** A start takes the barrier and the record; the answer tells who is missing. */
const START_PATIENCE_MS = 8000;
const COMMAND_PATIENCE_MS = 5000;
/** A picture at full size takes its time where the camera has to be opened for it. */
const LOCK_VIEW_PATIENCE_MS = 15_000;
/** Files are finished before the machine goes off. */
const SHUTDOWN_PATIENCE_MS = 60_000;
const MOMENT_AGO_MAX_MS = 60_000;

/** What a gesture does. One that is refused is heard, and the log says why. */
export function createGestures(deps: {
  readonly config: NodeConfig;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly listening: Pick<Listening, 'row' | 'assume'>;
  readonly voice: Pick<Voice, 'sound'>;
}): (action: ButtonAction, pressedUs: number) => void {
  const { config, bus, clock, log, listening, voice } = deps;
  const own = config.camera_id;

  /** Whether a refusal tells, while nobody else can, that what goes on is not what was believed. */
  const tells = (error: unknown, code: 'already_recording' | 'not_recording'): boolean =>
    !bus.connected && error instanceof TouchlineError && error.code === code;

  /** Without a broker the record of the rig, from which all other starts are heard, does not come. */
  const begin = async (): Promise<void> => {
    const { cameras, session_id } = await bus.request(own, 'rigStart', {}, { timeoutMs: START_PATIENCE_MS });
    const missing = cameras.filter(({ state }) => state !== 'ready');
    log.info({ session: session_id, missing: missing.map(({ camera_id }) => camera_id) }, 'the rig starts');
    if (!bus.connected) {
      listening.assume('recording');
      await voice.sound('start');
    }
    if (missing.length > 0) await voice.sound('warning');
  };
  /** Somebody may have started by phone: then it is a press while it records, and whoever wanted a start hears that it does. */
  const start = async (pressedUs: number): Promise<void> => {
    try {
      await begin();
    } catch (error) {
      if (!tells(error, 'already_recording')) throw error;
      listening.assume('recording');
      await voice.sound('start');
      await mark(pressedUs);
    }
  };

  const stop = async (): Promise<void> => {
    // Whoever leans on the button is heard before anything ends. A beeper that fails does not keep the rig from ending.
    await voice.sound('stop');
    await bus.request(own, 'rigStop', {}, { timeoutMs: COMMAND_PATIENCE_MS }).catch((error: unknown) => {
      if (!tells(error, 'not_recording')) throw error;
    });
    if (!bus.connected) listening.assume('idle');
  };

  /** Kept by this camera, or by the next one that records. */
  const mark = async (pressedUs: number): Promise<void> => {
    const cameras: CameraId[] = [own, ...config.cameras.filter((camera) => camera !== own)];
    let refusal: unknown;
    for (const camera of cameras)
      try {
        // Those before may have been waited for.
        const agoMs = Math.round((clock.monoUs() - pressedUs) / 1000);
        const input = { ago_ms: Math.min(MOMENT_AGO_MAX_MS, Math.max(0, agoMs)) };
        await bus.request(camera, 'moment', input, { timeoutMs: COMMAND_PATIENCE_MS });
        log.info({ camera }, 'a moment was marked');
        return;
      } catch (error) {
        refusal ??= error;
      }
    throw refusal;
  };
  /** Somebody may have stopped by phone: then it is a press while nothing is recorded. */
  const moment = async (pressedUs: number): Promise<void> => {
    try {
      await mark(pressedUs);
    } catch (refusal) {
      if (!tells(refusal, 'not_recording')) throw refusal;
      try {
        await begin();
      } catch (error) {
        // The rig records all the same: the refusal of the moment stands.
        if (tells(error, 'already_recording')) throw refusal;
        listening.assume('idle');
        throw error;
      }
    }
  };

  const lockView = async (): Promise<void> => {
    const answers = await Promise.allSettled(
      config.cameras.map((camera) =>
        bus.request(camera, 'lockView', {}, { timeoutMs: LOCK_VIEW_PATIENCE_MS }),
      ),
    );
    // The state of the recorder tells of the picture where there is a broker.
    if (!bus.connected && answers.some(({ status }) => status === 'fulfilled'))
      await voice.sound('lock-view');
    const refusals = answers.flatMap((answer, index) =>
      answer.status === 'rejected' ? [{ camera: config.cameras[index], err: answer.reason }] : [],
    );
    for (const refusal of refusals) log.warn(refusal, 'Lock View was refused');
    if (refusals.some(({ camera }) => camera === own)) throw refusals[0]?.err;
  };

  const shutDown = async (): Promise<void> => {
    if (listening.row() !== 'idle')
      throw new TouchlineError('already_recording', 'a recording began while the button was held');
    await bus.request(own, 'shutdown', {}, { timeoutMs: SHUTDOWN_PATIENCE_MS, issuedBy: 'button' });
    // The last that is heard of it.
    await voice.sound('stop');
  };

  const refuseShutdown = async (): Promise<void> => {
    throw new TouchlineError('already_recording', 'no shutdown by the button that stopped a recording');
  };

  const table: Readonly<Record<ButtonAction, (pressedUs: number) => Promise<void>>> = {
    start,
    stop,
    moment,
    'lock-view': lockView,
    shutdown: shutDown,
    'refuse-shutdown': refuseShutdown,
  };

  return (action, pressedUs) => {
    log.info({ action }, 'the button was used');
    table[action](pressedUs).catch((error: unknown) => {
      const code = error instanceof TouchlineError ? error.code : 'internal';
      log.warn({ err: error, action }, 'what the button asked for was refused');
      // Soft gates let the same start through when it is asked again within 10 s.
      return voice.sound(code === 'gates_closed' ? 'warning' : 'fault');
    });
  };
}
