import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TouchlineError } from '#contracts/errors.ts';
import type { ServiceName } from '#contracts/ids.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { SignalsState } from '#contracts/signals.ts';
import { TONES } from '#domain/signals/tones.ts';
import { memoryBeeper } from '#ports/beeper/memory-beeper.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { memoryGpio } from '#ports/gpio/memory-gpio.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { createSignals } from '#services/signals/service.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';
import { freePorts, host, until } from '../fixtures/bridges.ts';
import { recorderBody } from '../fixtures/recorder-state.ts';

// Buttons are held, and a broker is away, for as long as people do that.
t.setTimeout(120_000);

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;
const CHIP = ['touchline-button', 'touchline-led-red', 'touchline-led-green', 'touchline-led-blue'];

/** A node with a panel in memory: real signals and sync-agent on a real broker, a recorder that only answers. */
async function node(t: Test) {
  const [port = 0] = await freePorts(1);
  const folder = mkdtempSync(join(tmpdir(), 'tl-'));
  const config = NodeConfig.parse({
    ...{ version: 1, rig: 'pitch', camera_id: 'CAM_C', position: 'center', cameras: ['CAM_C'] },
    camera: { source: 'test-pattern' },
    sync: { start_lead_ms: 300, ready_timeout_ms: 400 },
    broker: { port },
    signals: { panel: 'gpio' },
    runtime_dir: join(folder, 'run'),
    state_dir: join(folder, 'state'),
  });
  const gpio = memoryGpio(clock, { panel: CHIP });
  const beeper = memoryBeeper(clock);
  const units: Unit[] = [];
  let broker: ReturnType<typeof aedesBroker> | undefined;
  const busOf = async (service: ServiceName): Promise<Bus> => {
    const bus = nodeBus(service, { config, broker: mqttBroker({ host, port }), clock, log });
    await bus.start(signal);
    units.push(bus);
    return bus;
  };
  const on = {
    ...{ config, gpio, beeper },
    state: undefined as SignalsState | undefined,
    recorder: undefined as unknown as Bus,
    mayShutDown: false,
    allowShutdown(): void {
      on.mayShutDown = true;
    },
    /** What the recorder was told. */
    told: [] as { readonly what: string; readonly monoUs: number }[],
    lit: () => CHIP.slice(1).filter((line) => gpio.isHigh(line)),
    async startBroker() {
      broker = aedesBroker({ host, port, persistencePath: join(folder, 'broker'), log });
      await broker.start(signal);
    },
    async stopBroker() {
      await broker?.stop();
      broker = undefined;
    },
    async press(ms: number) {
      gpio.pull('touchline-button', false);
      await clock.sleepUntil(clock.monoUs() + ms * 1000, 'a finger');
      gpio.pull('touchline-button', true);
    },
  };
  t.teardown(async () => {
    for (const unit of units.reverse()) await unit.stop();
    await on.stopBroker();
    rmSync(folder, { recursive: true });
  });
  on.recorder = await busOf('recorder');
  const answer = { camera_id: 'CAM_C', state: 'preparing', session_uid: null } as const;
  const tell = (what: string): void => void on.told.push({ what, monoUs: clock.monoUs() });
  on.recorder.handle('prepare', async ({ session_uid, session_id }) => {
    tell('prepare');
    return { ...answer, session_uid, session_id, ready: true, gates: [] };
  });
  on.recorder.handle('start', async () => {
    tell('start');
    return answer;
  });
  on.recorder.handle('stop', async () => {
    tell('stop');
    return answer;
  });
  on.recorder.handle('lockView', async () => {
    tell('lock-view');
    return { file: 'a.jpg', at: '2024-03-15T14:00:00.000000Z', sha256: 'a'.repeat(64), width: 1, height: 1 };
  });
  on.recorder.setState('recorder', recorderBody({ boot_id: clock.bootId }));
  const agentBus = await busOf('sync-agent');
  const agent = createSyncAgent({ config, clock, bus: agentBus, log });
  await agent.start(signal);
  units.push(agent);
  const housekeeper = await busOf('housekeeper');
  housekeeper.setState('housekeeper', { offload: [], recovering: false });
  housekeeper.handle('shutdown', async () => {
    if (!on.mayShutDown) throw new TouchlineError('power_refused', 'power.off is none');
    tell('shutdown');
    return { camera_id: 'CAM_C', steps: ['finalize', 'write', 'power-off'] };
  });
  (await busOf('health')).setState('health', { readings: {}, battery: null, throttled: null, faults: [] });
  (await busOf('network-manager')).setState('network-manager', {
    ...{ mode: 'unmanaged', since: '2024-03-15T14:00:00.000000Z', reason: '', ssid: null, addresses: [] },
    ...{ signal_percent: null, stations: null, home_in_sight: null, peers: [], conflicts: [], warnings: [] },
  });
  const bus = await busOf('signals');
  const signals = createSignals({ config, clock, bus, log, gpio, beeper });
  await signals.start(signal);
  units.push(signals);
  const ear = await busOf('api');
  ear.watchState('signals', (_node, seen) => {
    on.state = seen.online ? seen.state : undefined;
  });
  return { ...on, bus, ear, signals: () => on.state };
}

const GREEN = ['touchline-led-green'];

t.test(
  'a broker that is restarted does not show, one that is gone does, and a start needs none',
  async (t) => {
    const on = await node(t);
    await on.startBroker();
    await until(() => on.bus.connected && on.signals()?.shows === 'ready', 'a node that is ready');
    t.same(on.lit(), GREEN);
    const shown = on.gpio.history.length;
    await on.stopBroker();
    await until(() => !on.bus.connected, 'a connection that is lost');
    await on.startBroker();
    await until(() => on.bus.connected, 'a connection that is back');
    // Longer than every grace: what was noted of the loss would show by now.
    const calmUntilUs = clock.monoUs() + 3_000_000;
    await until(() => clock.monoUs() > calmUntilUs, 'three seconds with the broker');
    t.same(on.gpio.history.slice(shown), [], 'the LED did not change');
    t.match(on.signals(), { shows: 'ready', panel: { state: 'working' } });

    const goneUs = clock.monoUs();
    await on.stopBroker();
    await until(() => on.lit().includes('touchline-led-red'), 'a fault');
    const shownSec = (clock.monoUs() - goneUs) / 1e6;
    t.ok(shownSec <= 5, `shown after ${shownSec.toFixed(1)} s`);
    const dark = on.gpio.history.length;
    await until(() => on.gpio.history.slice(dark).length >= 4, 'blinks');
    t.same(
      new Set(on.gpio.history.slice(dark).map(String)),
      new Set(['touchline-led-red', '']),
      'red, blinking',
    );

    await on.press(100);
    await until(() => on.told.some(({ what }) => what === 'start'), 'a start through the sockets');
    t.same(
      on.told.map(({ what }) => what),
      ['prepare', 'start'],
    );
    await until(() => on.beeper.played.some(({ notes }) => notes === TONES.start), 'the start tone');
    await on.press(2300);
    await until(() => on.told.some(({ what }) => what === 'stop'), 'a stop through the sockets');
    const tone = on.beeper.played.find(({ notes }) => notes === TONES.stop);
    const toneMs = TONES.stop.reduce((sum, { ms }) => sum + ms, 0);
    const stop = on.told.find(({ what }) => what === 'stop');
    t.ok(
      tone && stop && stop.monoUs - tone.monoUs >= toneMs * 1000,
      'the stop tone was over before the stop',
    );
  },
);

t.test('gestures, tones and mute on a node that is well', async (t) => {
  const on = await node(t);
  await on.startBroker();
  await until(() => on.bus.connected && on.signals()?.shows === 'ready', 'a node that is ready');

  on.gpio.setPresent('panel', false);
  await until(() => on.signals()?.panel.state === 'failed', 'a panel that is gone');
  t.match(on.signals()?.panel.reason, /panel/);
  on.gpio.setPresent('panel', true);
  await until(() => on.signals()?.panel.state === 'working', 'a panel that is back');
  await until(() => on.lit().join() === GREEN.join(), 'green again');

  await on.press(3100);
  await until(() => on.told.some(({ what }) => what === 'lock-view'), 'Lock View');
  t.equal(on.told.length, 1, 'and nothing else');

  const played = on.beeper.played.length;
  await on.press(8100);
  await until(() => on.beeper.played.length > played, 'a tone');
  t.equal(on.beeper.played.at(-1)?.notes, TONES.fault, 'a shutdown that is refused is heard');
  t.same(on.told.slice(1), [], 'and nothing else happened');
  await until(() => on.signals()?.pressed === false, 'the button to be up');
  on.allowShutdown();
  await on.press(8100);
  await until(() => on.told.some(({ what }) => what === 'shutdown'), 'the shutdown');
  await until(() => on.beeper.played.at(-1)?.notes === TONES.stop, 'the last tone');

  on.recorder.setState(
    'recorder',
    recorderBody({
      boot_id: clock.bootId,
      gates: [{ gate: 'temperature', level: 'soft', reason: 'the processor has 81 °C' }],
    }),
  );
  await until(() => on.signals()?.shows === 'warning', 'a warning');
  t.equal(on.signals()?.because, 'the processor has 81 °C');
  await until(() => on.beeper.played.at(-1)?.notes === TONES.warning, 'the warning tone');

  t.same(await on.ear.request('CAM_C', 'mute', { muted: true }, { timeoutMs: 3000 }), {
    camera_id: 'CAM_C',
    muted: true,
  });
  const before = on.beeper.played.length;
  on.recorder.setState(
    'recorder',
    recorderBody({
      boot_id: clock.bootId,
      gates: [{ gate: 'battery', level: 'soft', reason: 'the battery has 8 %' }],
    }),
  );
  await until(() => on.signals()?.because === 'the battery has 8 %', 'another warning');
  // It would sound within this.
  const quietUntilUs = clock.monoUs() + 3_000_000;
  await until(() => clock.monoUs() > quietUntilUs, 'three seconds');
  await on.press(100);
  await until(() => on.beeper.played.length > before, 'the start tone');
  t.same(
    on.beeper.played.slice(before).map(({ notes }) => notes),
    [TONES.start],
    'the warning is muted, the start is not',
  );
  t.ok(on.told.some(({ what }) => what === 'start'));
});
