import type { NodeConfig } from '#contracts/node-config.ts';
import type { LedPattern } from '#contracts/signals.ts';
import { degradedTone, type Heard } from '#domain/signals/degraded.ts';
import { picture } from '#domain/signals/picture.ts';
import type { Beeper } from '#ports/beeper/beeper.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Gpio } from '#ports/gpio/gpio.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createGestures } from './gestures.ts';
import { type Listening, listen } from './listening.ts';
import { createPanel, type Panel } from './panel.ts';
import { createSessionTones } from './session-tones.ts';
import { createVoice } from './voice.ts';

export interface SignalsDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  /** Where button and LED are; when left out, this node has none. */
  readonly gpio?: Gpio | undefined;
  /** When left out, this node has none. */
  readonly beeper?: Beeper | undefined;
}

/** Nothing tells when a grace is over. */
const LOOK_MS = 100;
/** A panel that is not there is looked for this often. */
const RETRY_MS = 3000;

export function createSignals(deps: SignalsDeps): Unit {
  const { config, clock, bus, log } = deps;
  const { signals, sync } = config;
  let listening: Listening | undefined;
  let shows: LedPattern = 'off';
  let because = 'nothing has been heard yet';
  let heard: Heard = {};
  let stops: (() => void)[] = [];

  const voice = createVoice({
    beeper: deps.beeper,
    muted: signals.muted,
    clock,
    log,
    onChange: () => publish(),
  });
  const sessionTones = createSessionTones({
    clock,
    voice,
    beepsItself: () =>
      sync.beep.enabled &&
      signals.beeper === 'alsa' &&
      signals.alsa_device === sync.beep.device &&
      listening?.known.words['sync-agent'].state?.role === 'master',
  });
  const now = (): Listening => {
    if (listening === undefined) throw new Error('signals was used before its start');
    return listening;
  };
  const act = createGestures({
    ...{ config, bus, clock, log, voice },
    listening: { row: () => now().row(), assume: (state) => now().assume(state) },
  });
  const panel: Panel | undefined =
    deps.gpio &&
    createPanel({
      ...{ config, clock, log, gpio: deps.gpio },
      row: () => now().row(),
      onAction: act,
      onChange: () => publish(),
    });

  const publish = (): void =>
    bus.setState('signals', {
      panel: panel?.state ?? { state: 'none', reason: null },
      beeper: voice.state,
      shows,
      because,
      pressed: panel?.pressed ?? false,
      muted: voice.muted,
      last_tone: voice.last,
    });

  const look = (): void => {
    const { known } = now();
    const nowUs = clock.monoUs();
    const found = picture(known, nowUs);
    const { recorder } = known.words;
    const next = degradedTone(heard, found.troubles, nowUs, {
      repeatSec: signals.repeat_warning_sec,
      recordingSound: recorder.state?.audio.track != null,
    });
    heard = next.heard;
    if (next.tone) void voice.sound(next.tone);
    if (found.shows !== shows) log.info({ from: shows, to: found.shows }, found.because);
    panel?.show(found.shows);
    if (found.shows === shows && found.because === because) return;
    ({ shows, because } = found);
    publish();
  };

  return {
    async start() {
      bus.handle('mute', async ({ muted }) => {
        voice.muted = muted;
        publish();
        return { camera_id: config.camera_id, muted };
      });
      listening = listen({
        ...{ bus, clock, cameraId: config.camera_id },
        onChange: () => {
          const { state } = listening?.known.words.recorder ?? {};
          if (state) sessionTones.sawRecorder(state);
        },
        onSession: (session) => sessionTones.saw(session),
      });
      stops = [
        () => now().stop(),
        clock.every(LOOK_MS, 'what is shown', look),
        clock.every(RETRY_MS, 'button, LED and beeper', async () => {
          await panel?.open();
          await voice.open();
        }),
      ];
      // A node without its panel records all the same: what fails is told in the state, and tried again.
      await panel?.open();
      await voice.open();
      look();
      publish();
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      await panel?.close();
      await voice.close();
    },
  };
}
