import { parse } from 'yaml';
import { z } from 'zod';
import { FirmwareLayer } from '#contracts/rig-description.ts';
import { mergeLayers, SECTIONS } from '#domain/provisioning/recipe.ts';

/** Rules about files that are not code: the containers, the pin table, boot settings, dependencies. Each returns faults. */

const ComposeService = z.looseObject({
  build: z.object({ context: z.literal('.'), dockerfile: z.string(), target: z.string() }),
  restart: z.enum(['always', 'unless-stopped']),
  mem_limit: z.string(),
  cap_drop: z.array(z.string()).default([]),
  privileged: z.boolean().default(false),
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
    if (service.privileged === service.cap_drop.includes('ALL'))
      faults.push(
        `${name}: either without capabilities, or privileged until services/start.sh gives them back`,
      );
    if (service.build.target !== name || !stages.includes(name))
      faults.push(`${name}: no stage of its name in the Dockerfile`);
    const bundle = name === 'updater' ? 'dist/ota.mjs' : `dist/services/${name}.mjs`;
    if (!dockerfile.includes(bundle)) faults.push(`${name}: the Dockerfile does not copy its bundle`);
    for (const volume of service.volumes)
      if (!((volume.split(':')[0] ?? '') in volumes)) faults.push(`${name}: ${volume} is not a named volume`);
    for (const key of UNSUPPORTED)
      if (key in service) faults.push(`${name}: ${key} is not supported by balena`);
    if ('depends_on' in service && !Array.isArray(service.depends_on))
      faults.push(`${name}: depends_on with conditions`);
  }
  return faults;
}

/** overlays/pins.yml. */
export const Pins = z.object({
  pins: z.array(
    z.strictObject({
      line: z.string().regex(/^touchline-[a-z-]+$/),
      gpio: z.int().min(0).max(27),
      header: z.int().min(1).max(40),
      direction: z.enum(['input', 'output']),
      active: z.enum(['low', 'high']),
      pull: z.enum(['up', 'down', 'none', 'reset']),
      for: z.string(),
    }),
  ),
  functions: z.array(
    z.strictObject({
      name: z.string().regex(/^[a-z0-9-]+$/),
      gpio: z.int().min(0).max(27),
      header: z.int().min(1).max(40),
      function: z.string().regex(/^(gpio|(uart|i2c|pwm)\d)$/),
      pull: z.enum(['up', 'down', 'none']),
      overlay: z.string().regex(/^touchline-[a-z0-9-]+$/),
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
/** A pin that is left as it is after reset is in no group: the driver that needs it could not have it. */
const BIAS = { up: 'bias-pull-up', down: 'bias-pull-down', none: 'bias-disable', reset: undefined } as const;

export function pinFaults(table: string, overlay: string): string[] {
  const parsed = Pins.safeParse(parse(table));
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const { pins, functions } = parsed.data;
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
  for (const { name, gpio, header } of functions)
    if (HEADER[gpio] !== header) faults.push(`${name}: GPIO ${gpio} is header pin ${HEADER[gpio]}`);
  // Two overlays may be loaded together, so that no pin may be claimed by both.
  const claimed = [...pins.filter(({ pull }) => pull !== 'reset'), ...functions].map(({ gpio }) => gpio);
  for (const list of [pins.map(({ gpio }) => gpio), claimed])
    if (new Set(list).size !== list.length) faults.push('a GPIO is used twice');
  return faults;
}

/** The lines that the signals service takes unless told otherwise are those of the table. */
export function lineFaults(
  table: string,
  signals: {
    readonly lines: Readonly<Record<string, string>>;
    readonly button_active_low: boolean;
    readonly led_active_low: boolean;
  },
): string[] {
  const { pins } = Pins.parse(parse(table));
  const taken = Object.entries(signals.lines);
  const activeLow = (line: string): boolean => {
    if (line === 'button') return signals.button_active_low;
    return line === 'beeper' ? false : signals.led_active_low;
  };
  return [
    ...taken.flatMap(([line, name]) => {
      const pin = pins.find((each) => each.line === name);
      if (pin === undefined) return [`${name} (signals.lines.${line}) is not in the pin table`];
      const faults = (pin.active === 'low') === activeLow(line) ? [] : [`${name}: active ${pin.active}`];
      return pin.direction === (line === 'button' ? 'input' : 'output')
        ? faults
        : [...faults, `${name}: ${pin.direction}`];
    }),
    ...pins
      .filter(({ line }) => !taken.some(([, name]) => name === line))
      .map(({ line }) => `${line}: no line of the section signals`),
  ];
}

/** A layer of firmware-config: its name is its path, nothing stands twice, and its overlays exist. */
export function layerFaults(path: string, text: string, overlays: readonly string[]): string[] {
  const parsed = FirmwareLayer.safeParse(parse(text));
  if (!parsed.success) return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const faults =
    path === `firmware-config/${parsed.data.layer}.yml` ? [] : [`${path}: layer ${parsed.data.layer}`];
  const merged = mergeLayers([parsed.data]);
  for (const section of SECTIONS)
    for (const { id, over } of merged[section]) if (over.length > 0) faults.push(`${id} stands twice`);
  for (const { key, value } of merged.config_txt)
    if (key === 'dtoverlay' && value.startsWith('touchline-') && !overlays.includes(value))
      faults.push(`there is no overlay ${value}`);
  return faults;
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
