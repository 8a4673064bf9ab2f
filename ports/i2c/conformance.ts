import type { OpenI2c } from './i2c.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
}

/** A bus, and the way to its devices' registers. */
export interface I2cLab {
  readonly open: OpenI2c;
  /** Sets a register of the device at `address`, high byte first. */
  setWord(value: number): Promise<void>;
  readonly address: number;
  readonly register: number;
  /** An address where nobody is. */
  readonly empty: number;
  /** A bus that is not there. */
  readonly openNothing: OpenI2c;
}

/** Every bus, real or simulated, behaves like this. */
export async function i2cConformance(t: Assertions, lab: I2cLab): Promise<void> {
  const { open, address, register } = lab;
  const bus = await open();
  try {
    for (const value of [0x5d98, 0x00ff, 0xff00, 0, 0xffff]) {
      await lab.setWord(value);
      t.same(await bus.readWord(address, register), value, `a word is read high byte first: ${value}`);
    }
    await lab.setWord(0x1234);
    const many = await Promise.all(Array.from({ length: 20 }, () => bus.readWord(address, register)));
    t.same([...new Set(many)], [0x1234], 'reads at once do not get in each other’s way');
    const byte = await bus.readByte(address, register);
    t.same(byte, byte & 0xff, 'a byte is one');
    await t.rejects(
      bus.readWord(lab.empty, register),
      { code: 'sensor_failed' },
      'where nobody is, nobody answers',
    );
    t.same(await bus.readWord(address, register), 0x1234, 'and the others still do');
  } finally {
    await bus.close();
  }
  await t.rejects(lab.openNothing(), { code: 'sensor_failed' }, 'a bus that is not there');
}
