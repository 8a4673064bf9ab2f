import t, { type Test } from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { findLine } from '#ports/gpio/chips.ts';
import { gpioConformance } from '#ports/gpio/conformance.ts';
import { readLineName } from '#ports/gpio/gpio.ts';
import { memoryGpio } from '#ports/gpio/memory-gpio.ts';
import {
  GET_CHIP_INFO,
  GET_LINE,
  GET_LINE_INFO,
  GET_VALUES,
  LINE_EVENT_BYTES,
  LINE_REQUEST_BYTES,
  lineRequest,
  lineValues,
  readEvents,
  readValues,
  SET_VALUES,
} from '#ports/gpio/uapi.ts';

t.test('GPIO in memory behaves like GPIO', async (t: Test) => {
  const clock = manualClock();
  const gpio = memoryGpio(clock, {
    one: ['', '', 'button', 'red', 'green'],
    two: ['', 'blue'],
  });
  await gpioConformance(t, {
    gpio,
    monoUs: () => clock.monoUs(),
    button: { label: 'one', offset: 2 },
    pull: async (line, high) => gpio.pull(line, high),
    isHigh: async (line) => gpio.isHigh(line),
    until: async (what, condition) => void t.ok(condition(), what),
  });
  let lost: Error | undefined;
  const watched = await gpio.watch(['button'], {
    activeLow: true,
    onEdge: () => undefined,
    onLost: (error) => {
      lost = error;
    },
  });
  gpio.setPresent('one', false);
  t.match(lost, { code: 'panel_failed' });
  t.throws(() => watched.values(), { code: 'panel_failed' });
});

t.test('the requests of the kernel are those of its header', async (t: Test) => {
  // As printed by a C program that includes <linux/gpio.h>, on x86-64 and arm64 alike.
  t.same(
    [GET_CHIP_INFO, GET_LINE_INFO, GET_LINE, GET_VALUES, SET_VALUES].map((request) => request.toString(16)),
    ['8044b401', 'c100b405', 'c250b407', 'c010b40e', 'c010b40f'],
  );
  t.equal(LINE_REQUEST_BYTES, 592);
  t.equal(LINE_EVENT_BYTES, 48);
  const request = lineRequest([17, 5], 'somebody', 0b1010n);
  t.same([request.readUInt32LE(0), request.readUInt32LE(4)], [17, 5]);
  t.equal(request.toString('latin1', 256, 264), 'somebody');
  t.equal(request.readBigUInt64LE(288), 0b1010n, 'flags');
  t.equal(request.readUInt32LE(560), 2, 'number of lines');
  const values = lineValues([true, false, true]);
  t.same([values.readBigUInt64LE(0), values.readBigUInt64LE(8)], [0b101n, 0b111n]);
  t.same(readValues(values, 3), [true, false, true]);
  const event = Buffer.alloc(LINE_EVENT_BYTES);
  event.writeBigUInt64LE(1_234_567_890n, 0);
  event.writeUInt32LE(2, 8);
  event.writeUInt32LE(17, 12);
  t.same(readEvents(event), [{ offset: 17, active: false, atUs: 1_234_567 }]);
});

t.test('a line is found by its name, or by its chip and number, and by nothing else', async (t: Test) => {
  const chips = [
    { path: '/dev/gpiochip0', label: 'pinctrl-rp1', names: ['', 'touchline-button'] },
    { path: '/dev/gpiochip11', label: 'other', names: ['twice', 'twice'] },
  ];
  t.equal(findLine('touchline-button', chips, []).offset, 1);
  t.match(findLine('other:1', chips, []), { offset: 1, chip: { path: '/dev/gpiochip11' } });
  t.throws(() => findLine('gpiochip0:1', chips, []), {
    code: 'panel_failed',
    message: 'there is no GPIO line gpiochip0:1; chips: pinctrl-rp1 (2 lines), other (2 lines)',
  });
  t.throws(() => findLine('other:2', chips, []), { message: /no GPIO line other:2/ });
  t.throws(() => findLine('twice', chips, []), { message: 'there are 2 GPIO lines twice' });
  t.throws(() => findLine('x', [], ['/dev/gpiochip0 (EACCES)']), {
    message: /chips: none; not to be opened: .*EACCES/,
  });
  t.same(readLineName('pinctrl-rp1:17'), { label: 'pinctrl-rp1', offset: 17 });
  t.same(readLineName('touchline-button'), { name: 'touchline-button' });
});
