import { mkdirSync } from 'node:fs';
import type { HealthState } from '#contracts/health.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { i2cConformance } from '#ports/i2c/conformance.ts';
import { linuxI2c } from '#ports/i2c/linux-i2c.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { healthSensors } from '#services/health/sensors.ts';
import { createHealth } from '#services/health/service.ts';
import { type Course, leadThrough } from '../batteries/course.ts';
import { type Hand, i2cHand, kernelHand, serialHand, setRegister, stubBus } from '../batteries/hands.ts';
import { generator } from '../machine/random.ts';

/**
 * Four health services on one broker, each with a battery that the kernel stands for. What they publish is compared with what was
 * set; told in lines `LAB-SAY {json}`.
 */

const { SEED = '1', ROUNDS = '1' } = process.env;
const clock = systemClock();
const log = createLogger({ name: 'battery', level: 'warn' });
const signal = new AbortController().signal;
const host = '127.0.0.1';
const port = 1883;

function say(line: Record<string, unknown>): void {
  process.stdout.write(`LAB-SAY ${JSON.stringify(line)}\n`);
}

/** The suite of the I2C port on the kernel's bus. What does not hold, in words. */
async function tryBus(): Promise<string[]> {
  const failures: string[] = [];
  const expect = (holds: boolean, message: string, found: unknown): void => {
    if (!holds) failures.push(`I2C: ${message}; found ${JSON.stringify(found)}`);
  };
  const bus = stubBus();
  await i2cConformance(
    {
      same: (found, wanted, message) =>
        expect(JSON.stringify(found) === JSON.stringify(wanted), message, found),
      rejects: async (promise, wanted, message) => {
        const code = await promise.then(
          () => 'no error',
          (error: { code?: string }) => error.code,
        );
        expect(code === wanted.code, message, code);
      },
    },
    {
      open: linuxI2c(bus),
      setWord: (value) => setRegister(bus, 0x02, value),
      ...{ address: 0x36, register: 0x02, empty: 0x20 },
      openNothing: linuxI2c(bus + 40),
    },
  );
  return failures;
}

const busFailures = await tryBus();
say({ bus: busFailures.length === 0 ? 'conforms' : 'failed', failures: busFailures });

const random = generator(Number(SEED));
const serial = { clock, random };
const hands: Record<string, Hand> = {
  i2c: i2cHand(),
  sysfs: kernelHand(),
  serial: await serialHand({ ...serial, device: '/dev/lab-battery', lost: 'gone' }),
  'serial-garbage': await serialHand({ ...serial, device: '/dev/lab-noise', lost: 'garbage' }),
};
const kinds = ['CAM_L', 'CAM_C', 'CAM_R', 'CAM_X'] as const;
const broker = aedesBroker({ host, port });
await broker.start(signal);

const listeners = new Map<string, (state: HealthState) => void>();
const units: Unit[] = [];
for (const [index, hand] of Object.values(hands).entries()) {
  const camera = kinds[index] ?? 'CAM_C';
  const runtime = `/run/touchline/${camera}`;
  mkdirSync(runtime, { recursive: true });
  const config = NodeConfig.parse({
    version: 1,
    rig: 'lab',
    camera_id: camera,
    position: 'center',
    cameras: [...kinds],
    camera: { source: 'test-pattern' },
    broker: { host, port },
    runtime_dir: runtime,
    sensors: hand.sensors,
  });
  await hand.set(80);
  const bus = nodeBus('health', { config, broker: mqttBroker({ host, port }), clock, log });
  units.push(bus, createHealth({ config, clock, bus, log, ...healthSensors(config, clock) }));
  if (index > 0) continue;
  // Whoever looks at the states from outside.
  const ear = nodeBus('api', { config, broker: mqttBroker({ host, port }), clock, log });
  units.push(ear);
  ear.watchState('health', (from, seen) => {
    if (seen.online) listeners.get(from)?.(seen.state);
  });
}
const services = group(...units);
await services.start(signal);
const courses = await Promise.allSettled(
  Object.entries(hands).map(([name, hand], index) =>
    leadThrough({
      name,
      hand,
      random,
      rounds: Number(ROUNDS),
      onState: (listener) => void listeners.set(kinds[index] ?? '', listener),
    }),
  ),
);
await services.stop();
await broker.stop();
for (const [index, name] of Object.keys(hands).entries()) {
  const outcome = courses[index];
  const course: Course | undefined = outcome?.status === 'fulfilled' ? outcome.value : undefined;
  say({
    battery: name,
    course: course ?? null,
    broken: outcome?.status === 'rejected' ? String(outcome.reason) : null,
  });
}
// The lines of the serial battery go on by themselves.
process.exit(0);
