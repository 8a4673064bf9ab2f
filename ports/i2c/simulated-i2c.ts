import { TouchlineError } from '#contracts/errors.ts';
import { hex, type OpenI2c } from './i2c.ts';

/** A bus with devices whose registers a test sets. */
export interface SimulatedI2c {
  readonly open: OpenI2c;
  /** A device with this register appears when there was none. 16 bits, high byte first. */
  setWord(address: number, register: number, value: number): void;
  setByte(address: number, register: number, value: number): void;
  /** The device no longer answers. */
  remove(address: number): void;
  /** The whole bus goes, or comes back. */
  unplug(): void;
  plug(): void;
}

export function simulatedI2c(): SimulatedI2c {
  const devices = new Map<number, Map<number, number>>();
  let there = true;
  const set = (address: number, register: number, value: number): void => {
    const registers = devices.get(address) ?? new Map<number, number>();
    devices.set(address, registers.set(register, value));
  };
  const failed = (what: string): TouchlineError => new TouchlineError('sensor_failed', what);
  const registerOf = (address: number, register: number): number => {
    if (!there) throw failed('the simulated I2C bus is gone');
    const registers = devices.get(address);
    if (!registers) throw failed(`${hex(address)} on the simulated I2C bus: it does not answer`);
    return registers.get(register) ?? 0;
  };
  return {
    async open() {
      if (!there) throw failed('the simulated I2C bus cannot be opened');
      let closed = false;
      const read = async (address: number, register: number): Promise<number> => {
        if (closed) throw failed('the simulated I2C bus was closed');
        return registerOf(address, register);
      };
      return {
        readByte: async (address, register) => (await read(address, register)) & 0xff,
        readWord: read,
        async close() {
          closed = true;
        },
      };
    },
    setWord: set,
    setByte: set,
    remove: (address) => void devices.delete(address),
    unplug() {
      there = false;
    },
    plug() {
      there = true;
    },
  };
}
