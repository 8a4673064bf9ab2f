import { TouchlineError } from '#contracts/errors.ts';
import { parseSmartLog } from '#domain/health/smart-log.ts';
import { runProgram } from '#ports/program/program.ts';
import { diskBelow } from './block-device.ts';
import type { DiskCondition } from './disk-condition.ts';

/** The disk below `folder`, asked by the program `nvme` (Debian package nvme-cli). */
export function nvmeSmartLog(options: {
  readonly folder: string;
  /** Where it is; found on the path when left out. */
  readonly program?: string;
  readonly disk?: () => Promise<string>;
}): DiskCondition {
  const { folder, program = 'nvme', disk = () => diskBelow(folder) } = options;
  return {
    async read(signal) {
      const name = await disk();
      const failed = (what: string, cause?: unknown): TouchlineError =>
        new TouchlineError('sensor_failed', `the disk ${name} below ${folder} ${what}`, {
          field: 'sensors.disk_condition',
          cause,
        });
      // Of a namespace the controller is asked: nvme0 of nvme0n1.
      const [controller] = /^nvme\d+/.exec(name) ?? [];
      if (controller === undefined) throw failed('is no NVMe disk: it does not say how worn it is');
      let text: string;
      try {
        text = await runProgram(program, ['smart-log', `/dev/${controller}`, '-o', 'json'], signal);
      } catch (error) {
        if (signal.aborted || (error instanceof TouchlineError && error.code === 'program_missing'))
          throw error;
        throw failed(`does not say how worn it is: ${(error as Error).message}`, error);
      }
      const wear = parseSmartLog(text);
      if (!wear) throw failed('was asked, and what `nvme` printed cannot be understood');
      return wear;
    },
  };
}
