import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { SERVICES } from '#contracts/ids.ts';
import { CameraModule, Hardware } from '#contracts/rig-description.ts';
import { SignalsConfig } from '#contracts/signals.ts';
import { composeFaults, dependencyFaults, layerFaults, lineFaults, pinFaults } from './room-rules.ts';

const text = (path: string): string => readFileSync(path, 'utf8');
const services = globSync('{services/*,ota}/main.ts')
  // The updater has a room of its own.
  .map((path) => basename(dirname(path)).replace(/^ota$/, 'updater'))
  .sort();
const compose = text('docker-compose.yml');
const dockerfile = text('services/Dockerfile');
const pins = text('overlays/pins.yml');
const overlay = text('overlays/touchline-signals.dts');
const layers = globSync('firmware-config/**/*.yml').sort();
const machine = text('firmware-config/machine/raspberrypi5.yml');
const signalsLayer = text('firmware-config/hardware/signals.yml');
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
  t.same(lineFaults(pins, SignalsConfig.parse({})), []);
  t.same(
    layers.flatMap((path) => layerFaults(path, text(path), overlays)),
    [],
  );
  const named = (folder: string) =>
    layers
      .filter((path) => dirname(path) === `firmware-config/${folder}`)
      .map((path) => basename(path, '.yml'))
      .sort();
  t.same(named('hardware'), [...Hardware.options].sort(), 'a layer for each kind of hardware');
  t.same(named('camera'), [...CameraModule.options].sort(), 'and for each camera');
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
  finds(composeFaults(compose, dockerfile, [...services, 'umpire']), /umpire has a main.ts and no container/);
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
  finds(broken('    cap_drop: [ALL]\n', ''), /broker: either without capabilities/);
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
    pinFaults(pins.replace('gpio: 17', 'gpio: 19'), overlay),
    /header pin 35.*names line 19 "".*touchline-button: in the overlay/s,
  );
  finds(
    pinFaults(pins.replace('pull: up', 'pull: none'), overlay),
    /touchline-button: pull none, the overlay has bias-pull-up/,
  );
  finds(pinFaults(pins.replace('gpio: 23, header: 16', 'gpio: 22, header: 15'), overlay), /used twice/);
  finds(pinFaults(pins.replace('active: high', 'active: on'), overlay), /active/);
  const signals = SignalsConfig.parse({});
  finds(
    lineFaults(pins.replace('line: touchline-beeper', 'line: touchline-bell'), signals),
    /touchline-beeper.*not in/,
  );
  finds(lineFaults(pins.replace('active: low', 'active: high'), signals), /touchline-button.*active high/);
  finds(
    lineFaults(pins, { ...signals, lines: { ...signals.lines, red: 'touchline-led-green' } }),
    /touchline-led-red: no line of the section signals/,
  );

  finds(
    pinFaults(pins.replace('gpio: 25, header: 22', 'gpio: 25, header: 21'), overlay),
    /gnss-pulse: GPIO 25/,
  );
  finds(
    pinFaults(pins, overlay.replace('"gpio22", "gpio23"', '"gpio18", "gpio22", "gpio23"')),
    /touchline-beeper: pull reset/,
  );
  finds(pinFaults(pins.replace('gpio: 14, header: 8', 'gpio: 2, header: 3'), overlay), /used twice/);

  const machinePath = 'firmware-config/machine/raspberrypi5.yml';
  const twice = machine.replace('value: watchdog=on', 'value: pciex1');
  t.not(twice, machine);
  finds(layerFaults(machinePath, twice, overlays), /dtparam:pciex1 stands twice/);
  finds(layerFaults('firmware-config/machine/pi5.yml', machine, overlays), /layer machine\/raspberrypi5/);
  finds(
    layerFaults('firmware-config/hardware/signals.yml', signalsLayer, []),
    /no overlay touchline-signals/,
  );
  finds(layerFaults(machinePath, machine.replace('value: pciex1', 'value: ""'), overlays), /value/);

  finds(
    dependencyFaults(manifest, dependencies.replace('`zod`', '`sod`')),
    /zod has no reason\nsod is not a dependency/,
  );
  t.end();
});
