import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as balena } from '@balena/compose';
import contrato from '@balena/contrato';
import t from 'tap';
import { parse } from 'yaml';
import { SERVICES, type ServiceName } from '#contracts/ids.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { loadConfig } from '#runtime/config.ts';

const ROOT = join(import.meta.dirname, '../..');
const MIB = 2 ** 20;

interface Service {
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly image?: string;
  readonly restart?: string;
  readonly init?: boolean;
  readonly healthcheck?: {
    readonly test: readonly string[];
    readonly interval: string;
    readonly retries: number;
  };
  readonly mem_limit?: string | number;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly user?: string;
  readonly network_mode?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
}
type Services = Readonly<Record<string, Service>>;

const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
/** As balena's builders read it. */
const composed = (file: string): Services =>
  balena.normalize(parse(text(file), { merge: true })).services as unknown as Services;

const FLEET = 'docker-compose.yml';
const CENTRAL = 'central/docker-compose.yml';
const fleet = composed(FLEET);
const central = composed(CENTRAL);

/** Services of the node that there is a program of. */
const existing = SERVICES.filter((name) =>
  existsSync(join(ROOT, name === 'updater' ? 'ota/main.ts' : `services/${name}/main.ts`)),
);

/** Stages of a Dockerfile with their lines. */
function stages(file: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of text(file)
    .split(/^(?=FROM )/m)
    .slice(1))
    found.set(/^FROM \S+ AS (\S+)/.exec(part)?.[1] ?? '', part);
  return found;
}

/** Bytes of `160m`, `1g` or a number. */
function bytesOf(limit: string | number | undefined): number {
  const [, number = '', unit = ''] = /^(\d+)([mg]?)$/.exec(String(limit)) ?? [];
  return Number(number || Number.NaN) * { '': 1, m: MIB, g: 1024 * MIB }[unit as '' | 'm' | 'g'];
}

t.test('the fleet release and the contract pass balena’s own parsers', async (t) => {
  t.same(Object.keys(fleet).sort(), existing.toSorted(), 'every service there is, and no other');
  const descriptors = balena.parse(balena.normalize(parse(text(FLEET))));
  t.same(
    descriptors.map(({ serviceName }) => serviceName).sort(),
    existing.toSorted(),
    'an image is built for each',
  );
  t.throws(
    () => balena.normalize({ version: '2.4', services: { one: { image: 'x', volumes: ['/dev:/dev'] } } }),
    /Bind mounts are not allowed/,
    'the parser is one that refuses what balena refuses',
  );

  const contract = parse(text('balena.yml')) as contrato.ContractObject & {
    data: { defaultDeviceType: string; supportedDeviceTypes: string[] };
  };
  const [built] = contrato.Contract.build(contract);
  t.equal(built?.getType(), 'sw.application');
  t.equal(built?.getVersion(), (JSON.parse(text('package.json')) as { version: string }).version);
  t.equal(contract.data.defaultDeviceType, 'raspberrypi5');
  t.same(contract.data.supportedDeviceTypes, ['raspberrypi5']);
});

t.test('what balena does not take is not used', async (t) => {
  const raw = text(FLEET).replaceAll(/^\s*#.*$/gm, '');
  for (const word of [
    'env_file',
    'container_name',
    'profiles',
    'device_cgroup_rules',
    'condition',
    'extends',
    'secrets',
  ])
    t.notMatch(raw, new RegExp(`^\\s*${word}:`, 'm'), word);
  t.notMatch(raw, /\$\{?[A-Z]/, 'no variables');
  const named = Object.keys((parse(text(FLEET)) as { volumes: object }).volumes);
  for (const [name, { volumes = [] }] of Object.entries(fleet))
    for (const volume of volumes) t.ok(named.includes(volume.split(':')[0] ?? ''), `${name}: ${volume}`);
});

t.test('every service of both stacks has what keeps it running and what holds it back', async (t) => {
  for (const [name, service] of [...Object.entries(fleet), ...Object.entries(central)]) {
    t.match(service.restart, /^(always|unless-stopped)$/, `${name}: restarts`);
    t.ok(service.healthcheck?.test.length, `${name}: has a health check`);
    t.ok(Number(service.healthcheck?.retries) > 0 && service.healthcheck?.interval, `${name}: with its pace`);
    t.ok(bytesOf(service.mem_limit) > 0, `${name}: its memory has a limit`);
    t.ok(service.security_opt?.includes('no-new-privileges'), `${name}: gains no rights`);
    if (service.image !== undefined) {
      t.match(service.image, /@sha256:[0-9a-f]{64}$/, `${name}: the image is fixed by its digest`);
      continue;
    }
    t.equal(service.init, true, `${name}: has an init`);
    t.equal(service.read_only, true, `${name}: does not write into its image`);
    t.equal(service.build?.target, name, `${name}: is the stage of its name`);
    if (!service.privileged) t.same(service.cap_drop, ['ALL'], `${name}: has no capability`);
  }
});

t.test('hardware is reached by few, and given back', async (t) => {
  const privileged = Object.keys(fleet).filter((name) => fleet[name]?.privileged);
  t.same(privileged.sort(), ['health', 'recorder', 'signals', 'sync-agent']);
  t.notOk(Object.values(central).some((service) => service.privileged));
  const dockerfile = stages('services/Dockerfile');
  /** USER, CAPABILITIES, DEVICES of services/start.sh. */
  const started = (name: ServiceName): string[] => {
    const [, line] = /^CMD (\[.*\])$/m.exec(dockerfile.get(name) ?? '') ?? [];
    return line === undefined ? [] : (JSON.parse(line) as string[]);
  };
  for (const name of existing) {
    const [user, capabilities, devices, ...program] = started(name);
    t.same(program, ['node', `${name}.mjs`], `${name}: the service is what starts`);
    t.equal(
      user,
      ['sync-agent', 'housekeeper', 'network-manager', 'updater'].includes(name) ? 'root' : 'node',
      `${name}: user`,
    );
    const service = fleet[name];
    if (service?.privileged) {
      t.not(devices, '', `${name}: privileged for devices that are named`);
      t.equal(service.user, 'root');
    } else {
      t.equal(`${capabilities}${devices}`, '', `${name}: neither rights nor devices`);
      t.equal(service?.user, user === 'root' ? 'root:node' : undefined, `${name}: as the image says`);
    }
    t.match(
      dockerfile.get(name),
      /^(?!.*^USER root\n(?!.*^USER node$))/ms,
      `${name}: the image is not root’s`,
    );
  }
  t.match(started('signals')[2], '/dev/gpiochip*');
  t.match(started('health')[2], /\/dev\/i2c-\*.*\/dev\/nvme/);
  t.match(started('recorder')[2], /\/dev\/video\*.*\/dev\/dma_heap\/\*/);
  t.equal(started('health')[1], 'sys_admin');
  t.equal(started('sync-agent')[1], 'sys_time net_bind_service');
});

t.test('who speaks D-Bus with the host has its bus', async (t) => {
  const speakers = Object.keys(fleet).filter(
    (name) => fleet[name]?.labels?.['io.balena.features.dbus'] === '1',
  );
  t.same(speakers.sort(), ['housekeeper', 'network-manager', 'sync-agent']);
  for (const name of speakers)
    t.equal(fleet[name]?.environment?.DBUS_SYSTEM_BUS_ADDRESS, 'unix:path=/host/run/dbus/system_bus_socket');
});

t.test('the settings in the compose files are settings that exist', async (t) => {
  const mine = { TOUCHLINE_RIG: 'home', TOUCHLINE_CAMERA_ID: 'CAM_C', TOUCHLINE_POSITION: 'center' };
  for (const [name, { environment }] of Object.entries(fleet)) {
    const env = { ...mine, TOUCHLINE_CAMERA__SOURCE: 'test-pattern', ...environment };
    const { config } = loadConfig(NodeConfig, { env });
    const paths = {
      [config.storage.path]: 'recordings',
      [config.state_dir]: 'state',
      [config.runtime_dir]: 'sockets',
    };
    for (const volume of fleet[name]?.volumes ?? []) {
      const [source, path = ''] = volume.split(':');
      t.equal(paths[path], source, `${name}: ${volume} is where the service looks`);
    }
  }
  for (const name of ['server', 'worker']) {
    const { config } = loadConfig(ServerConfig, { env: central[name]?.environment ?? {} });
    t.equal(config.access, 'trusted-lan', `${name}: it may listen`);
    t.match(config.database.url, /@database\//, `${name}: its database is the service of that name`);
    t.same(central[name]?.volumes, [`storage:${config.storage.root}`]);
  }
});

t.test('a camera node of 4 GB has room for all limits, the host and the camera', async (t) => {
  const pi = 4096 * MIB;
  // balenaOS with its engine and Supervisor, the page cache of a recording, and the camera's buffers: 12 of 4K in YUV 4:2:0 are 150 MB.
  const host = 1024 * MIB;
  // The updater that is to come, as large as any other.
  const updater = existing.includes('updater') ? 0 : 160 * MIB;
  const sum = Object.values(fleet).reduce((all, { mem_limit }) => all + bytesOf(mem_limit), updater);
  t.ok(sum <= pi - host, `${Math.round(sum / MIB)} MiB in all`);
  const recorder = bytesOf(fleet.recorder?.mem_limit);
  t.ok(recorder >= sum / 3, 'the recorder, with its encoder, has the largest part');
});

t.test('images: fixed bases, shared layers, no build tools', async (t) => {
  const [node, server] = [text('services/Dockerfile'), text('central/Dockerfile')];
  const bases = (file: string): string[] => file.match(/^ARG \w+_IMAGE=.*$/gm) ?? [];
  t.equal(bases(node).length, 2);
  for (const base of bases(node)) t.match(base, /^ARG \w+=[a-z]+:[a-z0-9-]+@sha256:[0-9a-f]{64}$/);
  t.same(bases(server), bases(node), 'both stacks start from the same');
  t.equal(
    stages('central/Dockerfile').get('build')?.split('\n\n')[0],
    stages('services/Dockerfile').get('build')?.split('\n\n')[0],
  );

  for (const file of ['services/Dockerfile', 'central/Dockerfile'])
    for (const [name, lines] of stages(file)) {
      if (name === 'build') continue;
      t.notMatch(lines, /\b(npm|npx|gcc|g\+\+|make|python3|build-essential|node-gyp)\b/, `${file}, ${name}`);
      for (const [, list = ''] of lines.matchAll(/apt-get install ([^&]*)/g))
        t.match(list, '--no-install-recommends', `${file}, ${name}: nothing that is only recommended`);
      // What changes with every release lies above everything else.
      const parts = lines.split(/^(?=RUN |COPY )/m).slice(1);
      const own = parts.findIndex((part) => part.includes('/src/dist/'));
      if (own >= 0)
        t.notOk(
          parts.slice(own).some((part) => part.startsWith('RUN')),
          `${file}, ${name}: the bundle is last`,
        );
    }
  t.same(
    [...stages('services/Dockerfile').keys()].filter((name) => existing.some((each) => each === name)).sort(),
    existing.toSorted(),
  );
  t.same(globSync('{services,central}/Dockerfile', { cwd: ROOT }).length, 2);
});

t.test('started as an ordinary user, start.sh only starts the service', async (t) => {
  const nobody =
    process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : ['env'];
  const command = [
    ...nobody,
    'sh',
    '-s',
    'root',
    'sys_admin',
    '/dev/null',
    'sh',
    '-c',
    'umask; echo "$0 $1"',
    'a b',
    'c',
  ];
  const said = execFileSync(command[0] ?? '', command.slice(1), {
    input: text('services/start.sh'),
    encoding: 'utf8',
    // Of a container; this machine may have one.
    env: { ...process.env, TOUCHLINE_RUNTIME_DIR: '/nonexistent' },
  });
  t.same(
    said.trim().split('\n'),
    ['0002', 'a b c'],
    'what it makes belongs to the group; arguments arrive as they are',
  );
});
