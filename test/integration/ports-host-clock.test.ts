import dbus, { type MessageBus } from 'dbus-native';
import t, { type Test } from 'tap';
import { systemClock } from '#ports/clock/system-clock.ts';
import { systemdHostClock } from '#ports/host-clock/systemd.ts';
import { privateBus } from '../fixtures/private-bus.ts';

const clock = systemClock();

/** systemd's manager as far as it is used here, with units that take their time. */
async function standIn(t: Test, address: string) {
  const units = new Map([['chronyd.service', 'active']]);
  const calls: string[] = [];
  const bus: MessageBus = dbus.createClient({ busAddress: address });
  t.teardown(() => void bus.connection.end());
  await bus.requestName('org.freedesktop.systemd1', 0);
  const noSuchUnit = (unit: string): Error =>
    Object.assign(new Error(`Unit ${unit} not loaded.`), { dbusName: 'org.freedesktop.systemd1.NoSuchUnit' });
  const job = (verb: string, unit: string, through: string, to: string): string => {
    if (!units.has(unit)) throw noSuchUnit(unit);
    calls.push(`${verb} ${unit}`);
    units.set(unit, through);
    setTimeout(() => units.set(unit, to), 120);
    return '/org/freedesktop/systemd1/job/1';
  };
  bus.exportInterface(
    {
      StopUnit: (unit: string) => job('stop', unit, 'deactivating', 'inactive'),
      StartUnit: (unit: string) => job('start', unit, 'activating', 'active'),
      GetUnit(unit: string) {
        if (!units.has(unit)) throw noSuchUnit(unit);
        return '/org/freedesktop/systemd1/unit/chronyd';
      },
    },
    '/org/freedesktop/systemd1',
    {
      name: 'org.freedesktop.systemd1.Manager',
      methods: { StopUnit: ['ss', 'o', [], []], StartUnit: ['ss', 'o', [], []], GetUnit: ['s', 'o', [], []] },
    },
  );
  bus.exportInterface(
    {
      get ActiveState() {
        return units.get('chronyd.service');
      },
    },
    '/org/freedesktop/systemd1/unit/chronyd',
    { name: 'org.freedesktop.systemd1.Unit', properties: { ActiveState: 's' } },
  );
  return { units, calls };
}

t.test("the host's chronyd is stopped and started again over D-Bus", async (t) => {
  const address = await privateBus(t);
  const host = systemdHostClock({ clock, address });
  await t.rejects(
    host.stop('chronyd.service'),
    {
      code: 'host_clock_refused',
      field: 'sync.chronyd.host_unit',
      message: /could not be stopped.*systemd1/,
    },
    'without systemd on the bus',
  );
  const { units, calls } = await standIn(t, address);
  await host.stop('chronyd.service');
  t.equal(units.get('chronyd.service'), 'inactive', 'it waits until the unit has stopped');
  await host.stop('chronyd.service');
  await host.start('chronyd.service');
  t.equal(units.get('chronyd.service'), 'active', 'and until it has started');
  t.same(calls, ['stop chronyd.service', 'stop chronyd.service', 'start chronyd.service']);
  await t.rejects(host.stop('ntpd.service'), {
    code: 'host_clock_refused',
    message: /Unit ntpd\.service not loaded/,
  });
});

t.test('without a bus the error says so', async (t) => {
  const host = systemdHostClock({ clock, address: 'unix:path=/nowhere/bus' });
  await t.rejects(host.start('chronyd.service'), {
    code: 'host_clock_refused',
    message: /could not be started: .*\/nowhere\/bus/,
  });
});
