import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/**
 * What tells this board from all others: its serial number where the device tree has one (Raspberry Pi), else the id of the installed system, else the
 * address of its first network interface. Undefined when there is none of them.
 */
export function hardwareId(root = '/'): string | undefined {
  return (
    // Ends with a zero byte (Devicetree Specification 2.3).
    firstLine(`${root}sys/firmware/devicetree/base/serial-number`) ??
    firstLine(`${root}etc/machine-id`) ??
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal }) => !internal)?.mac
  );
}

function firstLine(path: string): string | undefined {
  try {
    const line = readFileSync(path, 'utf8')
      .split(/[\n\0]/)[0]
      ?.trim();
    return line === '' ? undefined : line;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}
