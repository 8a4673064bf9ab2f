import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';
import { type GnssReceiver, lineReader } from './gnss.ts';

/** A receiver on a serial port. The programs of every Debian set and read it: a read of a terminal would block a thread of ours. */
export function serialReceiver(options: {
  readonly clock: Clock;
  readonly device: string;
  readonly baud: number;
}): GnssReceiver {
  const { clock, device, baud } = options;
  return {
    async open(onLine) {
      const settings = await startProgram('stty', ['-F', device, String(baud), 'raw', '-echo']);
      const set = await settings.ended;
      if (set.code !== 0)
        throw new TouchlineError('gnss_failed', `${device} is no serial port: ${describeEnd(set)}`, {
          field: 'sync.chronyd.gnss_device',
        });
      const program = await startProgram('cat', [device], { stdout: 'pipe' });
      const read = lineReader(onLine);
      program.child.stdout?.setEncoding('latin1').on('data', (piece: string) => read(piece, clock.monoUs()));
      let closed = false;
      return {
        ended: program.ended.then((end) => (closed ? undefined : describeEnd(end))),
        async close() {
          closed = true;
          await program.stop();
        },
      };
    },
  };
}
