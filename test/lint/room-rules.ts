import { parse } from 'yaml';
import { z } from 'zod';

/** Rules about files that are not code: the containers, the pin table, boot settings, dependencies. Each returns faults. */

const ComposeService = z.looseObject({
  build: z.object({ context: z.literal('.'), dockerfile: z.string(), target: z.string() }),
  restart: z.enum(['always', 'unless-stopped']),
  mem_limit: z.string(),
  cap_drop: z.array(z.string()),
  security_opt: z.array(z.string()),
  healthcheck: z
    .object({ test: z.array(z.string()), interval: z.string(), timeout: z.string(), retries: z.number() })
    .loose(),
  volumes: z.array(z.string()).default([]),
});
const Compose = z.object({
  version: z.string(),
  volumes: z.record(z.string(), z.unknown()),
  services: z.record(z.string(), ComposeService),
});
/** What balena's parser refuses or silently ignores. */
const UNSUPPORTED = ['env_file', 'container_name', 'profiles', 'develop', 'include', 'configs', 'secrets'];

export function composeFaults(text: string, dockerfile: string, services: readonly string[]): string[] {
  const parsed = Compose.safeParse(parse(text));
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const { volumes, services: listed, version } = parsed.data;
  const faults: string[] = [];
  if (!/^2\.[1-4]$/.test(version)) faults.push(`version ${version}: balena takes 2.1 to 2.4`);
  if (text.includes('${')) faults.push('variables in the file are not replaced by balena');
  const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
  for (const name of services) if (!(name in listed)) faults.push(`${name} has a main.ts and no container`);
  for (const [name, service] of Object.entries(listed)) {
    if (!services.includes(name)) faults.push(`${name} has a container and no main.ts`);
    if (service.build.target !== name || !stages.includes(name))
      faults.push(`${name}: no stage of its name in the Dockerfile`);
    if (!dockerfile.includes(`dist/services/${name}.mjs`))
      faults.push(`${name}: the Dockerfile does not copy its bundle`);
    for (const volume of service.volumes)
      if (!((volume.split(':')[0] ?? '') in volumes)) faults.push(`${name}: ${volume} is not a named volume`);
    for (const key of UNSUPPORTED)
      if (key in service) faults.push(`${name}: ${key} is not supported by balena`);
    if ('depends_on' in service && !Array.isArray(service.depends_on))
      faults.push(`${name}: depends_on with conditions`);
  }
  return faults;
}

const Pins = z.object({
  pins: z.array(
    z.strictObject({
      line: z.string().regex(/^touchline-[a-z-]+$/),
      gpio: z.int().min(0).max(27),
      header: z.int().min(1).max(40),
      direction: z.enum(['input', 'output']),
      active: z.enum(['low', 'high']),
      pull: z.enum(['up', 'down', 'none']),
      for: z.string(),
    }),
  ),
});
/** GPIO → pin of the 40-pin header, from the Raspberry Pi documentation. */
const HEADER: Readonly<Record<number, number>> = {
  ...{ 0: 27, 1: 28, 2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32, 13: 33 },
  ...{
    14: 8,
    15: 10,
    16: 36,
    17: 11,
    18: 12,
    19: 35,
    20: 38,
    21: 40,
    22: 15,
    23: 16,
    24: 18,
    25: 22,
    26: 37,
    27: 13,
  },
};
const BIAS = { up: 'bias-pull-up', down: 'bias-pull-down', none: 'bias-disable' } as const;

export function pinFaults(table: string, overlay: string): string[] {
  const parsed = Pins.safeParse(parse(table));
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const { pins } = parsed.data;
  const source = overlay.replace(/\/\*.*?\*\//gs, '');
  const names = [...(/gpio-line-names\s*=([^;]*);/.exec(source)?.[1] ?? '').matchAll(/"([^"]*)"/g)].map(
    ([, name]) => name ?? '',
  );
  const groups = [...source.matchAll(/pins\s*=([^;]*);[^}]*?(bias-[a-z-]+);/g)].map(([, list, bias]) => ({
    list: list ?? '',
    bias,
  }));
  const faults: string[] = [];
  for (const pin of pins) {
    if (HEADER[pin.gpio] !== pin.header)
      faults.push(`${pin.line}: GPIO ${pin.gpio} is header pin ${HEADER[pin.gpio]}`);
    if (names[pin.gpio] !== pin.line)
      faults.push(`${pin.line}: the overlay names line ${pin.gpio} "${names[pin.gpio]}"`);
    const group = groups.find(({ list }) => list.includes(`"gpio${pin.gpio}"`));
    if (group?.bias !== BIAS[pin.pull])
      faults.push(`${pin.line}: pull ${pin.pull}, the overlay has ${group?.bias}`);
  }
  for (const [gpio, name] of names.entries())
    if (name !== '' && !pins.some((pin) => pin.gpio === gpio))
      faults.push(`${name}: in the overlay and not in the table`);
  const used = pins.map(({ gpio }) => gpio);
  if (new Set(used).size !== used.length) faults.push('a GPIO is used twice');
  return faults;
}

const Settings = z.strictObject({
  layer: z.string(),
  settings: z.array(
    z.strictObject({
      key: z.string().regex(/^[a-z][a-z0-9_]*$/),
      value: z.string().min(1),
      why: z.string().min(10),
    }),
  ),
});
/** The only keys that may stand more than once in config.txt. */
const REPEATABLE = ['dtparam', 'dtoverlay'];

export function settingFaults(text: string, overlays: readonly string[]): string[] {
  const parsed = Settings.safeParse(parse(text));
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const seen = new Set<string>();
  return parsed.data.settings.flatMap(({ key, value }) => {
    const name = REPEATABLE.includes(key) ? `${key}=${value}` : key;
    const faults = seen.has(name) ? [`${name} stands twice`] : [];
    seen.add(name);
    if (key === 'dtoverlay' && value.startsWith('touchline-') && !overlays.includes(value))
      faults.push(`there is no overlay ${value}`);
    return faults;
  });
}

/** Each dependency has a row of its own, and each row is a dependency. */
export function dependencyFaults(manifest: string, page: string): string[] {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(manifest) as Record<
    string,
    Record<string, string>
  >;
  const used = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  const listed = [...page.matchAll(/^\| (`[^|]*`) \| [^|]{10,} \|$/gm)].flatMap(([, names]) =>
    [...(names ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ''),
  );
  return [
    ...used.filter((name) => !listed.includes(name)).map((name) => `${name} has no reason`),
    ...listed.filter((name) => !used.includes(name)).map((name) => `${name} is not a dependency`),
  ];
}
