import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { SERVICES } from '#contracts/ids.ts';
import { composeFaults, dependencyFaults, pinFaults, settingFaults } from './room-rules.ts';

const text = (path: string): string => readFileSync(path, 'utf8');
const services = globSync('services/*/main.ts')
  .map((path) => basename(dirname(path)))
  .sort();
const compose = text('docker-compose.yml');
const dockerfile = text('services/Dockerfile');
const pins = text('overlays/pins.yml');
const overlay = text('overlays/touchline-signals.dts');
const settings = text('firmware-config/base.yml');
const overlays = globSync('overlays/*.dts').map((path) => basename(path, '.dts'));
const manifest = text('package.json');
const dependencies = text('docs/adr/dependencies.md');

t.test('services have one name everywhere', async (t: Test) => {
  t.ok(services.length > 0);
  for (const name of services)
    t.ok((SERVICES as readonly string[]).includes(name), `${name} is in contracts`);
  t.same(composeFaults(compose, dockerfile, services), []);
  const { default: bundles } = await import(new URL('../../rollup.config.mjs', import.meta.url).href);
  const outputs = (bundles as { output: { file: string } }[])
    .map(({ output }) => relative('.', output.file))
    .sort();
  const mains = globSync('{services/*,central/*,ota}/main.ts');
  t.same(outputs, mains.map((path) => `dist/${dirname(path)}.mjs`).sort(), 'one bundle per main.ts');
});

t.test('pin table, overlay, boot settings, contract and dependencies agree', (t: Test) => {
  t.same(pinFaults(pins, overlay), []);
  t.same(settingFaults(settings, overlays), []);
  t.same(dependencyFaults(manifest, dependencies), []);
  t.equal(parse(text('balena.yml')).version, JSON.parse(manifest).version, 'version of balena.yml');
  t.match(text('CHANGELOG.md'), `## ${JSON.parse(manifest).version}`);
  t.end();
});

t.test('each of these rules finds what breaks it', (t: Test) => {
  const finds = (faults: string[], expected: RegExp): void => void t.match(faults.join('\n'), expected);
  const broken = (from: string, to: string): string[] => {
    t.ok(compose.includes(from), from);
    return composeFaults(compose.replace(from, to), dockerfile, services);
  };
  finds(
    composeFaults(compose, dockerfile, [...services, 'signals']),
    /signals has a main.ts and no container/,
  );
  finds(
    composeFaults(
      compose,
      dockerfile,
      services.filter((name) => name !== 'api'),
    ),
    /api has a container and no main.ts/,
  );
  finds(
    composeFaults(compose, dockerfile.replace('AS api', 'AS door'), services),
    /api: no stage of its name/,
  );
  finds(
    composeFaults(compose, dockerfile.replace('dist/services/api.mjs', 'x'), services),
    /api: the Dockerfile does not copy/,
  );
  finds(broken('    restart: always\n', ''), /broker.restart/);
  finds(broken('    mem_limit: 160m\n', ''), /broker.mem_limit/);
  finds(broken('    healthcheck:', '    health:'), /broker.healthcheck/);
  finds(
    broken('- recordings:/mnt/nvme', '- /mnt/nvme:/mnt/nvme'),
    /recorder: \/mnt\/nvme:\/mnt\/nvme is not a named volume/,
  );
  finds(broken('    init: true', '    container_name: x'), /container_name is not supported/);
  finds(
    broken('    init: true', '    depends_on: { broker: { condition: service_healthy } }'),
    /depends_on with conditions/,
  );
  finds(broken('mem_limit: 160m', 'mem_limit: $'.concat('{LIMIT}')), /not replaced/);
  finds(broken('version: "2.4"', 'version: "3.8"'), /balena takes/);

  finds(
    pinFaults(pins.replace('gpio: 17', 'gpio: 18'), overlay),
    /header pin 12.*names line 18 "".*touchline-button: in the overlay/s,
  );
  finds(
    pinFaults(pins.replace('pull: up', 'pull: none'), overlay),
    /touchline-button: pull none, the overlay has bias-pull-up/,
  );
  finds(pinFaults(pins.replace('gpio: 23, header: 16', 'gpio: 22, header: 15'), overlay), /used twice/);
  finds(pinFaults(pins.replace('active: high', 'active: on'), overlay), /active/);

  finds(
    settingFaults(
      `${settings}\n  - { key: disable_splash, value: "0", why: once more by mistake }`,
      overlays,
    ),
    /disable_splash stands twice/,
  );
  finds(settingFaults(settings, []), /there is no overlay touchline-signals/);
  finds(settingFaults(settings.replace('value: pciex1', 'value: ""'), overlays), /value/);

  finds(
    dependencyFaults(manifest, dependencies.replace('`zod`', '`sod`')),
    /zod has no reason\nsod is not a dependency/,
  );
  t.end();
});
