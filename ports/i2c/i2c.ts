/**
 * Registers of devices on an I2C bus, by 7-bit address. Reads only: nothing here changes a device. One read at a time is put on the bus, in the
 * order they were asked for. Throws `sensor_failed`: nobody answers at the address, a driver of the kernel has it, the bus is gone.
 */
export interface I2cBus {
  readByte(address: number, register: number): Promise<number>;
  /** 16 bits, high byte first, as gauges send them. */
  readWord(address: number, register: number): Promise<number>;
  close(): Promise<void>;
}

/** Throws `sensor_failed` when there is no such bus or it may not be used. */
export type OpenI2c = () => Promise<I2cBus>;

/** `0x36`, as people write addresses. */
export function hex(value: number): string {
  return `0x${value.toString(16).toUpperCase().padStart(2, '0')}`;
}
