import t from 'tap';
import type { CommandKey } from '#contracts/commands.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { ButtonAction, ButtonRow } from '#domain/signals/button.ts';
import { alsaBeeper } from '#ports/beeper/alsa-beeper.ts';
import { gpioBeeper } from '#ports/beeper/gpio-beeper.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { memoryGpio } from '#ports/gpio/memory-gpio.ts';
import { memorySpeaker } from '#ports/sound/memory-speaker.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { createGestures } from '#services/signals/gestures.ts';
import { listen } from '#services/signals/listening.ts';
import { createVoice } from '#services/signals/voice.ts';
import { recorderBody } from '../../fixtures/recorder-state.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;

/** The button of a node without a broker, and what the services answer on their sockets. */
function button(row: ButtonRow, answers: Partial<Record<CommandKey, object>>) {
  const clock = manualClock();
  const config = NodeConfig.parse({
    ...{ version: 1, rig: 'pitch', camera_id: 'CAM_C', position: 'center', cameras: ['CAM_C', 'CAM_L'] },
    camera: { source: 'test-pattern' },
  });
  const on = { clock, row, asked: [] as unknown[], tones: [] as string[], silentMs: 0 };
  const request = async (node: string, command: CommandKey, input: object): Promise<object> => {
    on.asked.push(command === 'moment' ? [node, command, input] : [node, command]);
    await clock.sleepUntil(clock.monoUs() + on.silentMs * 1000, 'an answer');
    const answer = answers[command];
    if (answer instanceof Error || answer === undefined)
      throw answer ?? new TouchlineError('peer_silent', `nobody answers ${command}`);
    return answer;
  };
  const act = createGestures({
    ...{ config, clock, log },
    bus: { connected: false, request } as unknown as Bus,
    listening: {
      row: () => on.row,
      assume(state) {
        on.row = state;
      },
    },
    voice: {
      async sound(tone) {
        on.tones.push(tone);
      },
    },
  });
  return { on, act: (action: ButtonAction) => act(action, clock.monoUs() - 100_000) };
}
const already = new TouchlineError('already_recording', 'the rig is already in session Final');
const not = new TouchlineError('not_recording', 'the rig is not recording');
const started = { cameras: [{ camera_id: 'CAM_C', state: 'ready' }], session_id: 'Final' };

t.test('without a broker a refusal tells what goes on, and the press means that', async (t) => {
  const byPhone = button('idle', { rigStart: already, moment: {} });
  byPhone.act('start');
  await byPhone.on.clock.advance(10);
  t.equal(byPhone.on.row, 'recording', 'somebody else started');
  t.same(byPhone.on.asked, [
    ['CAM_C', 'rigStart'],
    ['CAM_C', 'moment', { ago_ms: 100 }],
  ]);
  t.same(byPhone.on.tones, ['start'], 'who wanted a start hears that it records');

  const ended = button('recording', { moment: not, rigStart: started });
  ended.act('moment');
  await ended.on.clock.advance(10);
  t.equal(ended.on.row, 'recording', 'somebody else had stopped: the press starts');
  t.same(ended.on.asked.at(-1), ['CAM_C', 'rigStart']);
  t.same(ended.on.tones, ['start']);

  const alone = button('recording', { moment: not, rigStart: already });
  alone.act('moment');
  await alone.on.clock.advance(10);
  t.equal(alone.on.row, 'recording', 'the rig records, and no camera that is reached does');
  t.equal(alone.on.asked.filter((asked) => String(asked).includes('rigStart')).length, 1, 'asked once');
  t.same(alone.on.tones, ['fault']);

  const over = button('recording', { rigStop: not });
  over.act('stop');
  await over.on.clock.advance(10);
  t.equal(over.on.row, 'idle');
  t.same(over.on.tones, ['stop'], 'what was to be stopped is stopped');
});

t.test('a moment is as long ago as it is when it is told, camera by camera', async (t) => {
  const { on, act } = button('recording', {});
  on.silentMs = 5000;
  act('moment');
  await on.clock.advance(12_000);
  t.same(on.asked, [
    ['CAM_C', 'moment', { ago_ms: 100 }],
    ['CAM_L', 'moment', { ago_ms: 5100 }],
  ]);
});

t.test('a beeper works when it has sounded, and one that failed when it sounds again', async (t) => {
  const clock = manualClock();
  const speaker = memorySpeaker(clock);
  const beeper = alsaBeeper({ speaker, clock });
  const voice = createVoice({ beeper, muted: false, clock, log, onChange: () => undefined });
  await voice.open();
  t.match(voice.state, { state: 'working', sounded: false }, 'nobody has heard it yet');
  speaker.setPresent(false);
  await voice.sound('warning');
  t.match(voice.state, { state: 'failed', sounded: false });
  await voice.open();
  t.match(voice.state, { state: 'failed', reason: /speaker/ }, 'to open it proves nothing');
  speaker.setPresent(true);
  const sounding = voice.sound('warning');
  await clock.advance(1000);
  await sounding;
  t.match(voice.state, { state: 'working', reason: null, sounded: true });
  await voice.close();
});

t.test('a beeper on a chip that went and came back sounds again', async (t) => {
  const clock = manualClock();
  const gpio = memoryGpio(clock, { panel: ['touchline-beeper'] });
  let taken = 0;
  const counted = {
    ...gpio,
    drive: (...args: Parameters<typeof gpio.drive>) => {
      taken++;
      return gpio.drive(...args);
    },
  };
  const beeper = gpioBeeper({ gpio: counted, line: 'touchline-beeper', clock });
  const NOTE = [{ hz: 2000, ms: 100 }];
  await beeper.open();
  gpio.setPresent('panel', false);
  await t.rejects(beeper.play(NOTE), { code: 'panel_failed' });
  await t.rejects(
    beeper.open(),
    { code: 'panel_failed' },
    'the chip is gone, and so is what was taken of it',
  );
  gpio.setPresent('panel', true);
  await beeper.open();
  t.equal(taken, 3, 'it is taken anew');
  const playing = beeper.play(NOTE);
  t.ok(gpio.isHigh('touchline-beeper'));
  await clock.advance(200);
  await playing;
  await beeper.close();
});

t.test('a camera that does not record while the rig does is known as such', async (t) => {
  const clock = manualClock();
  const broker = memoryBroker();
  const busOf = (service: 'recorder' | 'signals' | 'sync-agent'): Bus =>
    createBus({ rig: 'pitch', node: 'CAM_C', service, broker, clock, log });
  const [recorder, bus, agent] = [busOf('recorder'), busOf('signals'), busOf('sync-agent')];
  for (const each of [recorder, bus, agent]) await each.start(signal);
  const nothing = (): void => undefined;
  const listening = listen({ bus, clock, cameraId: 'CAM_C', onChange: nothing, onSession: nothing });
  t.teardown(async () => {
    listening.stop();
    for (const each of [recorder, bus, agent]) await each.stop();
  });
  const at = new Date(clock.wallUs() / 1000).toISOString().replace('Z', '000Z');
  const record = (revision: number, asked: 'CAM_C' | 'CAM_L'): void =>
    agent.setSession({
      ...{
        v: 1,
        session_uid: '01HZXK5M8N0PQRSTVWXYZ01234',
        session_id: 'Final',
        revision,
        state: 'recording',
      },
      ...{
        conductor: 'CAM_C',
        start_at: at,
        stop_at: null,
        max_duration_sec: 60,
        cameras: [{ camera_id: asked, state: 'silent', gates: [] }],
        updated_at: at,
      },
    });
  recorder.setState('recorder', recorderBody({ boot_id: clock.bootId }));
  await clock.advance(10);
  t.equal(listening.known.leftOutUs, undefined, 'nothing is recorded');
  record(1, 'CAM_L');
  await clock.advance(10);
  t.equal(listening.known.leftOutUs, undefined, 'it was not asked');
  record(2, 'CAM_C');
  await clock.advance(10);
  const sinceUs = clock.monoUs();
  t.ok(Math.abs((listening.known.leftOutUs ?? 0) - sinceUs) < 20_000);
  await clock.advance(5000);
  t.ok(Math.abs((listening.known.leftOutUs ?? 0) - sinceUs) < 20_000, 'since then');
  recorder.setState('recorder', recorderBody({ boot_id: clock.bootId, state: 'preparing' }));
  await clock.advance(10);
  t.equal(listening.known.leftOutUs, undefined, 'it joins');
  recorder.setState('recorder', recorderBody({ boot_id: clock.bootId }));
  await clock.advance(10);
  t.ok(listening.known.leftOutUs);
  await clock.advance(60_000);
  t.equal(listening.known.leftOutUs, undefined, 'no session is longer than it may be');
});
