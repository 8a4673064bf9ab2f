import t from 'tap';
import { readSysfsBattery } from '#ports/battery/sysfs-battery.ts';
import { linuxVitals } from '#ports/vitals/linux-vitals.ts';

t.test('a sensor that cannot be read gives no reading, and the others theirs', async (t) => {
  // Reading a folder fails with EISDIR, which stands for all that a driver may answer.
  const brokenKernel = t.testdir({
    class: {
      thermal: { thermal_zone0: { temp: {} } },
      power_supply: {
        gauge: { type: {} },
        other: { type: 'Battery\n', capacity: {}, status: {} },
      },
    },
  });
  const broken = linuxVitals({ temperature: 'sysfs', battery: 'sysfs', sysfs: brokenKernel });
  t.equal(await broken.temperature(), null);
  t.equal(await readSysfsBattery(brokenKernel), null);

  const partlyKernel = t.testdir({
    class: {
      thermal: { thermal_zone0: { temp: {} }, thermal_zone1: { temp: '51234\n' } },
      power_supply: {
        gauge: { type: {} },
        other: { type: 'Battery\n', capacity: '80\n', status: 'Discharging\n' },
      },
    },
  });
  const partly = linuxVitals({ temperature: 'sysfs', battery: 'sysfs', sysfs: partlyKernel });
  t.same(await partly.temperature(), { celsius: 51.234 });
  t.same(await readSysfsBattery(partlyKernel), { percent: 80, volts: null, charging: false });
  t.equal(await partly.battery(), null, 'health reads it, and knows what of it to believe');

  // The list of sensors can fail too.
  const listlessKernel = t.testdir({ class: { thermal: '', power_supply: '' } });
  const listless = linuxVitals({ temperature: 'sysfs', battery: 'sysfs', sysfs: listlessKernel });
  t.equal(await listless.temperature(), null);
  t.equal(await readSysfsBattery(listlessKernel), null);
});
