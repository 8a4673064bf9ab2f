import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { SensorsConfig } from '#contracts/health.ts';
import { batteryLine } from '#domain/health/battery-line.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { run } from '../machine/run.ts';
import { type PseudoTerminal, pseudoTerminal } from './pseudo-terminal.ts';

/** A battery in the hands of the lab. Nothing of it may hold up the process: the services that are tried run in it too. */
export interface Hand {
  readonly sensors: Partial<SensorsConfig>;
  /** What its gauge may differ by from what was set, percent. */
  readonly coarsePercent: number;
  set(percent: number): Promise<void>;
  /** What is heard of it once it is lost: nothing, or anything but readings. */
  readonly lost: 'gone' | 'garbage';
  lose(): Promise<void>;
  /** It is there again, with this charge. */
  comeBack(percent: number): Promise<void>;
}

const GAUGE = 0x36;
const VCELL = 0x02;
const SOC = 0x04;

/** The bus that the kernel's stub made. */
export function stubBus(): number {
  for (const name of readdirSync('/sys/bus/i2c/devices')) {
    const [, number] = /^i2c-(\d+)$/.exec(name) ?? [];
    if (number === undefined) continue;
    if (readFileSync(`/sys/bus/i2c/devices/${name}/name`, 'utf8').startsWith('SMBus stub'))
      return Number(number);
  }
  throw new Error('the kernel has no stub of an I2C bus');
}

/** Sets a register as the gauge would send it, high byte first; `i2cset` takes words low byte first. */
export async function setRegister(bus: number, register: number, value: number): Promise<void> {
  const swapped = ((value & 0xff) << 8) | (value >> 8);
  await run('i2cset', ['-y', String(bus), `${GAUGE}`, `${register}`, `${swapped}`, 'w']);
}

/** A MAX17040 on an I2C bus. One that is gone is seen as a bus whose wires came off: all ones. */
export function i2cHand(): Hand {
  const bus = stubBus();
  const set = async (percent: number): Promise<void> => {
    await setRegister(bus, SOC, Math.round(percent * 256));
    await setRegister(bus, VCELL, 0xc000);
  };
  return {
    sensors: { battery: 'i2c', battery_board: 'max17040', i2c_bus: bus },
    coarsePercent: 0.1,
    set,
    lost: 'garbage',
    async lose() {
      await setRegister(bus, VCELL, 0xffff);
      await setRegister(bus, SOC, 0xffff);
    },
    comeBack: set,
  };
}

/** The kernel's own battery for tests; it knows whole percents. */
export function kernelHand(): Hand {
  const parameter = (name: string, value: string): void =>
    writeFileSync(`/sys/module/test_power/parameters/${name}`, value);
  const set = async (percent: number): Promise<void> => {
    parameter('battery_status', 'discharging');
    parameter('battery_capacity', String(Math.round(percent)));
  };
  return {
    sensors: { battery: 'sysfs' },
    coarsePercent: 0.5,
    set,
    lost: 'garbage',
    // What a driver says whose gauge no longer answers sensibly; to unload and load the module takes a guest twenty seconds.
    lose: async () => parameter('battery_capacity', '-1'),
    comeBack: set,
  };
}

/** Often enough that nobody waits for a line. */
const LINE_EVERY_MS = 250;

/** A board on a serial line, which is lost as a cable that is pulled, or as one that brings garbage. */
export async function serialHand(options: {
  readonly clock: Clock;
  readonly random: () => number;
  readonly device: string;
  readonly lost: 'gone' | 'garbage';
}): Promise<Hand> {
  const { clock, random, device, lost } = options;
  let line: PseudoTerminal | undefined = await pseudoTerminal(device);
  let percent = 0;
  let garbled = false;
  clock.every(LINE_EVERY_MS, 'lines of the battery', () => {
    const reading = { percent, volts: 7.4, charging: false };
    line?.write(garbled ? garbage(random) : Buffer.from(`${batteryLine(reading)}\r\n`));
  });
  const set = async (value: number): Promise<void> => {
    percent = value;
    garbled = false;
  };
  return {
    sensors: { battery: 'serial', battery_device: device },
    coarsePercent: 0.05,
    set,
    lost,
    async lose() {
      if (lost === 'garbage') garbled = true;
      else {
        line?.hangUp();
        line = undefined;
      }
    },
    async comeBack(value) {
      await set(value);
      line ??= await pseudoTerminal(device);
    },
  };
}

/** Noise, half a line, a line whose charge was damaged, a line of something else. */
function garbage(random: () => number): Buffer {
  const any = (count: number): Buffer =>
    Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256)));
  const good = Buffer.from(`${batteryLine({ percent: random() * 100, volts: 7.4, charging: false })}\r\n`);
  const damaged = Buffer.from(good);
  const digit = 'TLB1 pct='.length;
  damaged[digit] = 0x30 + (((damaged[digit] ?? 0x30) - 0x30 + 1 + Math.floor(random() * 9)) % 10);
  const kinds = [any(40), good.subarray(0, 14), damaged, Buffer.from('$GPRMC,,V*00\r\n'), any(300)];
  return kinds[Math.floor(random() * kinds.length)] ?? damaged;
}
