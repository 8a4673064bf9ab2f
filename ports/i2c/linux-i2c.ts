import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { TouchlineError } from '#contracts/errors.ts';
import { hex, type I2cBus, type OpenI2c } from './i2c.ts';

/** linux/i2c-dev.h */
const I2C_SLAVE = 0x0703;
const I2C_SMBUS = 0x0720;
/** linux/i2c.h */
const I2C_SMBUS_READ = 1;
const I2C_SMBUS_BYTE_DATA = 2;
const I2C_SMBUS_WORD_DATA = 3;
/** union i2c_smbus_data: a block with its length and a byte more. */
const SMBUS_DATA_BYTES = 34;

interface Ioctl {
  async(fd: number, request: number, argument: unknown, done: (error: unknown, result: number) => void): void;
}
interface Calls {
  readonly select: Ioctl;
  readonly transfer: Ioctl;
}

let loaded: Calls | undefined;
/** The C library's `ioctl`, on first use: where nothing is on I2C, no native code is loaded. */
function calls(): Calls {
  if (loaded) return loaded;
  const libc = koffi.load('libc.so.6');
  koffi.struct('i2c_smbus_ioctl_data', {
    read_write: 'uint8',
    command: 'uint8',
    size: 'uint32',
    data: 'uint8 *',
  });
  loaded = {
    select: libc.func('int ioctl(int fd, unsigned long request, long address)'),
    transfer: libc.func('int ioctl(int fd, unsigned long request, i2c_smbus_ioctl_data *data)'),
  };
  return loaded;
}

/** `/dev/i2c-N` of the kernel (Documentation/i2c/dev-interface.rst), by SMBus transfers, which every adapter can do. */
export function linuxI2c(bus: number, device = `/dev/i2c-${bus}`): OpenI2c {
  return async () => {
    const handle = await open(device, constants.O_RDWR).catch((error: NodeJS.ErrnoException) => {
      throw new TouchlineError('sensor_failed', `the I2C bus ${device} cannot be opened: ${error.message}`, {
        field: 'sensors.i2c_bus',
        cause: error,
        remedy:
          error.code === 'ENOENT'
            ? 'Switch I2C on in the boot settings (dtparam=i2c_arm=on), and give the container the device.'
            : 'Give the container the device and its group.',
      });
    });
    return openBus(handle, device);
  };
}

function openBus(handle: FileHandle, device: string): I2cBus {
  /** Address and transfer belong together: nobody comes in between. */
  let last: Promise<unknown> = Promise.resolve();
  const read = (address: number, register: number, size: number): Promise<Buffer> => {
    const turn = last.then(() => transfer(handle.fd, { address, register, size, device }));
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    readByte: async (address, register) => (await read(address, register, I2C_SMBUS_BYTE_DATA)).readUInt8(0),
    // The kernel hands words out in the processor's order after taking the low byte first off the bus; ours send the high one first.
    readWord: async (address, register) => {
      const data = await read(address, register, I2C_SMBUS_WORD_DATA);
      return (data.readUInt8(0) << 8) | data.readUInt8(1);
    },
    async close() {
      await last;
      await handle.close();
    },
  };
}

async function transfer(
  fd: number,
  asked: { address: number; register: number; size: number; device: string },
): Promise<Buffer> {
  const { address, register, size, device } = asked;
  const data = Buffer.alloc(SMBUS_DATA_BYTES);
  const { select, transfer } = calls();
  const fail = (errno: number): never => {
    const [name, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, ''];
    const why =
      name === 'EBUSY'
        ? 'a driver of the kernel has it (then set battery: sysfs)'
        : `it does not answer (${name}${text ? `, ${text}` : ''})`;
    throw new TouchlineError('sensor_failed', `${hex(address)} on ${device}: ${why}`, {
      field: 'sensors.battery_address',
      remedy: 'Check the board and its cable; `i2cdetect -y N` lists who answers on bus N.',
    });
  };
  const selected = await call(select, fd, I2C_SLAVE, address);
  if (selected !== 0) fail(selected);
  const moved = await call(transfer, fd, I2C_SMBUS, {
    read_write: I2C_SMBUS_READ,
    command: register,
    size,
    data,
  });
  if (moved !== 0) fail(moved);
  return data;
}

/** On a thread of its own, as a bus that hangs takes a second to say so. Resolves with errno, 0 when it went well. */
function call(ioctl: Ioctl, fd: number, request: number, argument: unknown): Promise<number> {
  return new Promise((resolve, reject) => {
    ioctl.async(fd, request, argument, (error, result) => {
      if (error) reject(error);
      else resolve(result < 0 ? koffi.errno() : 0);
    });
  });
}
