import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Paths of what a folder of sysfs has, by the beginning of the name; none when it cannot be read. */
export async function entriesOf(folder: string, prefix = ''): Promise<string[]> {
  const names = await readdir(folder).catch(absent);
  return (names ?? []).filter((name) => name.startsWith(prefix)).map((name) => join(folder, name));
}

export async function textIn(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(absent))?.trim();
}

export async function numberIn(path: string): Promise<number | undefined> {
  const text = await textIn(path);
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text);
}

/** A sensor that cannot be read, for whatever reason (gauges on I2C pass on the errors of their bus), gives no reading. */
function absent(): undefined {
  return undefined;
}
