import koffi from 'koffi';

/** The two calls of the C library that Node has not: control of a device, and waiting for it. */
export interface SystemCalls {
  /** Throws with `code` (such as `EBUSY`) when the kernel refuses; the answer is in `bytes`. */
  control(descriptor: number, request: number, bytes: Buffer): void;
  /** Waits, beside the event loop, until there is something to read; `gone` when there never will be. */
  readable(descriptor: number, timeoutMs: number): Promise<'yes' | 'no' | 'gone'>;
}

/** <poll.h>, and `struct pollfd`: descriptor, what is asked, what is so. */
const POLLIN = 0x01;
const POLLERR = 0x08;
const POLLHUP = 0x10;
const POLLNVAL = 0x20;
const POLLFD_BYTES = 8;
const EINTR = 4;

export function systemCalls(): SystemCalls {
  const libc = koffi.load('libc.so.6');
  const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)');
  const poll = libc.func('int poll(void *fds, unsigned long count, int timeout)');
  const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

  return {
    control(descriptor, request, bytes) {
      if (ioctl(descriptor, request, bytes) >= 0) return;
      const number = koffi.errno();
      const code = names.get(number) ?? `errno ${number}`;
      throw Object.assign(new Error(`ioctl 0x${request.toString(16)}: ${code}`), { code });
    },
    readable(descriptor, timeoutMs) {
      const asked = Buffer.alloc(POLLFD_BYTES);
      asked.writeInt32LE(descriptor, 0);
      asked.writeInt16LE(POLLIN, 4);
      return new Promise((resolve, reject) => {
        poll.async(asked, 1, timeoutMs, (error: Error | null, count: number) => {
          if (error) return reject(error);
          const found = asked.readInt16LE(6);
          if (count < 0) resolve(koffi.errno() === EINTR || koffi.errno() === 0 ? 'no' : 'gone');
          else if (found & (POLLERR | POLLHUP | POLLNVAL)) resolve('gone');
          else resolve(found & POLLIN ? 'yes' : 'no');
        });
      });
    },
  };
}
