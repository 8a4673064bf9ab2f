import type { Gpio } from './gpio.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  ok(value: unknown, message: string): unknown;
  rejects(
    promise: Promise<unknown>,
    wanted: { code: string; message: RegExp },
    message: string,
  ): Promise<unknown>;
}

/** Two chips: one with lines `button`, `red`, `green`, another with `blue`; and somebody who presses and looks at them. */
export interface GpioLab {
  readonly gpio: Gpio;
  /** Monotonic microseconds, of the clock that edges are told by. */
  monoUs(): number;
  /** Label of the chip that `button` is on, and its number there. */
  readonly button: { readonly label: string; readonly offset: number };
  pull(line: string, high: boolean): Promise<void>;
  isHigh(line: string): Promise<boolean>;
  until(what: string, condition: () => boolean): Promise<void>;
}

/** Every GPIO, real or simulated, behaves like this. */
export async function gpioConformance(t: Assertions, lab: GpioLab): Promise<void> {
  const { gpio, pull, isHigh, until } = lab;
  const ignored = { onEdge: () => undefined, onLost: () => undefined };
  await pull('button', true);

  const edges: { line: number; active: boolean; atUs: number }[] = [];
  const onEdge = (edge: { line: number; active: boolean; atUs: number }): void => void edges.push(edge);
  const byNumber = `${lab.button.label}:${lab.button.offset}`;
  for (const name of ['button', byNumber]) {
    edges.length = 0;
    const watched = await gpio.watch([name], { activeLow: true, ...ignored, onEdge });
    t.same(watched.values(), [false], `${name}: high is not active, when low is`);
    const fromUs = lab.monoUs();
    await pull('button', false);
    await until(`an edge of ${name}`, () => edges.length === 1);
    const untilUs = lab.monoUs();
    t.same(watched.values(), [true], `${name}: low is active`);
    await pull('button', true);
    await until(`a second edge of ${name}`, () => edges.length === 2);
    t.same(
      edges.map(({ line, active }) => [line, active]),
      [
        [0, true],
        [0, false],
      ],
      `${name}: both edges, in order`,
    );
    const [first] = edges;
    t.ok(
      first !== undefined && first.atUs >= fromUs && first.atUs <= untilUs,
      `${name}: told with the time they happened: ${fromUs} <= ${first?.atUs} <= ${untilUs}`,
    );
    await t.rejects(
      gpio.watch([name], { activeLow: true, ...ignored }),
      { code: 'panel_failed', message: /used by/ },
      `${name}: a line has one user at a time`,
    );
    await watched.close();
  }

  const leds = ['red', 'green', 'blue'] as const;
  const shown = async (): Promise<boolean[]> => Promise.all(leds.map(isHigh));
  const driven = await gpio.drive(leds, { activeLow: false });
  t.same(await shown(), [false, false, false], 'inactive at first');
  driven.set([true, false, true]);
  t.same(await shown(), [true, false, true], 'as they are set, on both chips');
  driven.set([false, true, false]);
  t.same(await shown(), [false, true, false], 'and again');
  await t.rejects(
    gpio.drive(['blue', 'green'], { activeLow: false }),
    { code: 'panel_failed', message: /blue.*used by/ },
    'lines that are driven have one user',
  );
  await driven.close();
  t.same(await shown(), [false, false, false], 'inactive when they are let go');

  const inverted = await gpio.drive(['red'], { activeLow: true });
  t.equal(await isHigh('red'), true, 'inactive is high, when active is low');
  inverted.set([true]);
  t.equal(await isHigh('red'), false, 'active is low');
  await inverted.close();

  await t.rejects(
    gpio.drive(['red', 'nowhere'], { activeLow: false }),
    { code: 'panel_failed', message: /no GPIO line nowhere/ },
    'a line that is not there is named',
  );
  const again = await gpio.drive(['red'], { activeLow: false });
  await again.close();
  await t.rejects(
    gpio.watch([`${lab.button.label}:99`], { activeLow: true, ...ignored }),
    { code: 'panel_failed', message: /no GPIO line .*:99/ },
    'so is a number that the chip has not',
  );
}
