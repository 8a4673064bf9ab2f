import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { runProgram } from '../fixtures/balena-image.ts';
import { Pins } from '../lint/room-rules.ts';

/** The overlays as the firmware gets them: compiled, laid over a device tree, and read back. */

const OVERLAYS = globSync('overlays/*.dts')
  .map((path) => basename(path, '.dts'))
  .sort();
const { pins, functions } = Pins.parse(parse(readFileSync('overlays/pins.yml', 'utf8')));
const GPIO = '/rp1/gpio@d0000';
/** What each function is a function of. */
const DEVICES: Readonly<Record<string, string>> = {
  pwm0: '/rp1/pwm@98000',
  i2c1: '/rp1/i2c@74000',
  uart0: '/rp1/serial@30000',
  uart4: '/rp1/serial@40000',
  gpio: '/touchline-pps',
};

interface Claim {
  readonly gpio: number;
  readonly function: string;
  readonly pull: string;
}

/** A tree with some overlays on it, and ways to look into it. */
function applied(folder: string, names: readonly string[]) {
  const base = join(folder, 'base.dtb');
  runProgram('dtc', ['-@', '-I', 'dts', '-O', 'dtb', '-o', base, 'test/fixtures/pi5-like.dts']);
  const compiled = names.map((name) => {
    const target = join(folder, `${name}.dtbo`);
    runProgram('dtc', ['-@', '-I', 'dts', '-O', 'dtb', '-o', target, `overlays/${name}.dts`]);
    return target;
  });
  const tree = join(folder, 'applied.dtb');
  runProgram('fdtoverlay', ['-i', base, '-o', tree, ...compiled]);
  const get = (args: readonly string[]): string => runProgram('fdtget', [...args]).trim();
  return {
    strings: (node: string, property: string) => get(['-t', 's', tree, node, property]).split(' '),
    numbers: (node: string, property: string) =>
      get(['-t', 'u', tree, node, property]).split(' ').map(Number),
    /** Every pin that some group of pins takes, read from the decompiled tree. */
    claims: () => claimsIn(runProgram('dtc', ['-q', '-I', 'dtb', '-O', 'dts', tree])),
  };
}

function claimsIn(text: string): Claim[] {
  const groups = [...text.matchAll(/\{([^{}]*\bpins = [^{}]*)\}/g)].map(([, body = '']) => body);
  return groups.flatMap((body) => {
    const bias = /\bbias-(pull-up|pull-down|disable);/.exec(body)?.[1] ?? '';
    const pull = { 'pull-up': 'up', 'pull-down': 'down', disable: 'none' }[bias] ?? 'not said';
    const list = /\bpins = ([^;]*);/.exec(body)?.[1] ?? '';
    // dtc joins some lists into one text with zeros between.
    return [...list.matchAll(/gpio(\d+)/g)].map(([, gpio]) => ({
      gpio: Number(gpio),
      function: /\bfunction = "([^"]*)";/.exec(body)?.[1] ?? '',
      pull,
    }));
  });
}

const byGpio = (a: Claim, b: Claim): number => a.gpio - b.gpio;
const claimOf = ({ gpio, pull, ...rest }: { gpio: number; pull: string; function?: string }): Claim => ({
  gpio,
  function: rest.function ?? 'gpio',
  pull,
});

t.test('all overlays together claim the pins of the table, each once', (t: Test) => {
  t.ok(OVERLAYS.length >= 5);
  const tree = applied(t.testdir({}), OVERLAYS);
  const expected = [...pins.filter(({ pull }) => pull !== 'reset'), ...functions].map(claimOf);
  t.same(tree.claims().sort(byGpio), expected.sort(byGpio));
  for (const { line, gpio } of pins) {
    // fdtget ends names with blanks; a line without a name would shift those behind it, so they are counted in the decompiled list.
    t.ok(tree.strings(GPIO, 'gpio-line-names').includes(line), `${line} ${gpio}`);
  }
  t.same(
    tree.numbers('/touchline-pps', 'gpios')[1],
    functions.find(({ name }) => name === 'gnss-pulse')?.gpio,
  );
  t.same(tree.strings('/touchline-pps', 'compatible'), ['pps-gpio']);
  t.same(tree.numbers('/rp1/i2c@74000', 'clock-frequency'), [100_000]);
  t.end();
});

t.test('each overlay alone gives its device the pins of the table', (t: Test) => {
  for (const name of OVERLAYS.filter((each) => each !== 'touchline-signals')) {
    const tree = applied(t.testdir({}), [name]);
    const wanted = functions.filter(({ overlay }) => overlay === name);
    t.ok(wanted.length > 0, `${name} is in the table`);
    t.same(tree.claims().sort(byGpio), wanted.map(claimOf).sort(byGpio), name);
    for (const device of new Set(wanted.map((each) => DEVICES[each.function] ?? ''))) {
      t.equal(tree.numbers(device, 'pinctrl-0').length, 1, `${device} has its pins`);
      if (device !== DEVICES.gpio) t.same(tree.strings(device, 'status'), ['okay'], device);
    }
  }
  t.end();
});

t.test('the beeper is a line for software, or a pin of PWM, and never both', (t: Test) => {
  const beeper = pins.find(({ line }) => line === 'touchline-beeper')?.gpio;
  const signals = applied(t.testdir({}), ['touchline-signals']);
  t.notOk(
    signals.claims().some(({ gpio }) => gpio === beeper),
    'the overlay of the button leaves the pin alone',
  );
  // All 28 names, in order, as the kernel counts them.
  const text = readFileSync(join('overlays', 'touchline-signals.dts'), 'utf8').replace(/\/\*.*?\*\//gs, '');
  const names = [...(/gpio-line-names\s*=([^;]*);/.exec(text)?.[1] ?? '').matchAll(/"([^"]*)"/g)];
  t.equal(names.length, 28);
  for (const { line, gpio } of pins) t.equal(names[gpio]?.[1], line);
  const both = applied(t.testdir({}), ['touchline-signals', 'touchline-beeper-pwm']);
  t.same(
    both.claims().filter(({ gpio }) => gpio === beeper),
    [{ gpio: beeper, function: 'pwm0', pull: 'none' }],
  );
  t.end();
});

t.test('the reader of claims sees two groups that want one pin', (t: Test) => {
  const folder = t.testdir({});
  const path = join(folder, 'twice.dts');
  const group = (name: string): string =>
    `${name} { pins = "gpio18", "gpio22"; function = "gpio"; bias-pull-down; };`;
  writeFileSync(path, `/dts-v1/;\n/ { ${group('a')} ${group('b')} };\n`);
  const claims = claimsIn(runProgram('dtc', ['-q', '-I', 'dts', '-O', 'dts', path]));
  t.same(
    claims.map(({ gpio, pull }) => [gpio, pull]),
    [
      [18, 'down'],
      [22, 'down'],
      [18, 'down'],
      [22, 'down'],
    ],
  );
  t.end();
});
