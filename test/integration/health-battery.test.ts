import t from 'tap';
import type { HealthState } from '#contracts/health.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { batteryLine } from '#domain/health/battery-line.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { healthSensors } from '#services/health/sensors.ts';
import { createHealth } from '#services/health/service.ts';
import { freePorts, host, until } from '../fixtures/bridges.ts';
import { recordingNode } from '../fixtures/recording-node.ts';
import { serialLine, terminalOf } from '../fixtures/serial-line.ts';

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const SPEAKS_EVERY_MS = 100;

t.test(
  'a battery on a serial line, from its lines to the gate of a start and the status of the node',
  async (t) => {
    const [port = 0] = await freePorts(1);
    const real = aedesBroker({ host, port });
    await real.start(new AbortController().signal);
    t.teardown(() => real.stop());
    const line = await serialLine(t);
    const on = await recordingNode(t, {
      broker: mqttBroker({ host, port }),
      settings: { sensors: { battery: 'serial', battery_device: terminalOf(line) } },
    });
    const bus = createBus({
      rig: on.config.rig,
      node: on.config.camera_id,
      service: 'health',
      broker: mqttBroker({ host, port }),
      clock,
      log,
    });
    const { config } = on;
    const health = group(bus, createHealth({ config, clock, bus, log, ...healthSensors(config, clock) }));
    let state: HealthState | undefined;
    let status: NodeStatus | undefined;
    const changes: string[] = [];
    on.bus.watchState('health', (_node, seen) => {
      state = seen.online ? seen.state : undefined;
    });
    on.bus.watchStatus((_node, seen) => {
      status = seen;
    });
    on.bus.watchEvents((_node, name, event) => {
      if (name === 'health/level' && 'reading' in event && event.reading === 'battery')
        changes.push(`${event.from} to ${event.to}`);
    });
    const gate = (): string | undefined =>
      status?.recorder?.gates.find((each) => each.gate === 'battery')?.reason;
    const codes = (): string[] => status?.warnings.map(({ code }) => code) ?? [];

    await until(() => gate() === 'the charge of the battery is unknown', 'a battery nobody has read');

    let percent = 83.2;
    const stopSpeaking = clock.every(SPEAKS_EVERY_MS, 'lines', () =>
      line.say(`${batteryLine({ percent, volts: 7.82, charging: false })}\r\n`),
    );
    t.teardown(stopSpeaking);
    await health.start(new AbortController().signal);
    t.teardown(() => health.stop());
    await until(() => state?.readings.battery?.level === 'ok', 'the charge of the battery');
    t.match(state?.battery, { percent: 83.2, volts: 7.82, charging: false, minutes_left: null });
    t.match(state?.readings.battery, { value: 83.2, unit: '%', text: 'the battery has 83 %, 7.82 V' });
    await until(() => status !== undefined && gate() === undefined, 'the gate opens');
    t.notOk(codes().some((code) => code.includes('battery')));

    percent = 9;
    await until(() => gate() === 'the battery has 9 %', 'the gate hears of a low battery');
    await until(() => state?.readings.battery?.level === 'critical', 'so does health');
    t.ok(codes().includes('gate_battery'));
    t.notOk(codes().includes('battery_low'), 'it is not said twice');
    await until(() => changes.length > 0, 'the change of the level');
    t.same(changes, ['ok to critical']);

    stopSpeaking();
    const silentMs = (): number => Date.now() - Date.parse(state?.battery?.read_at ?? '1970-01-01');
    await until(() => silentMs() > 6000, 'a battery that says nothing');
    t.equal(state?.readings.battery?.level, 'critical', 'for seconds that is nothing');
    await until(() => state?.readings.battery?.level === 'unknown', 'a silent battery becomes unknown');
    t.match(state, {
      battery: null,
      faults: [{ code: 'sensor_failed', message: /the battery on .* says nothing/ }],
    });
    await until(() => gate() === 'the charge of the battery is unknown', 'the gate hears of it');
  },
);
