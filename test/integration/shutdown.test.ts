import dbus from 'dbus-native';
import t, { type Test } from 'tap';
import type { RecorderState } from '#contracts/states.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { logindPower } from '#ports/host-power/logind.ts';
import { housekeeper } from '../fixtures/housekeeper.ts';
import { privateBus } from '../fixtures/private-bus.ts';
import { recorderState } from '../fixtures/recorder-state.ts';

const UID = '01HS0000000000000000000001';

/** logind as far as it is used here. */
async function standIn(t: Test, address: string) {
  const calls: unknown[] = [];
  const bus = dbus.createClient({ busAddress: address });
  t.teardown(() => void bus.connection.end());
  await bus.requestName('org.freedesktop.login1', 0);
  bus.exportInterface(
    { PowerOff: (interactive: boolean) => void calls.push(interactive) },
    '/org/freedesktop/login1',
    { name: 'org.freedesktop.login1.Manager', methods: { PowerOff: ['b', '', [], []] } },
  );
  return calls;
}

t.test('a shutdown ends nothing unasked, and powers off once everything is finished', async (t) => {
  const address = await privateBus(t);
  const calls = await standIn(t, address);
  const keeper = await housekeeper(
    t,
    memoryDisk(1e9),
    {},
    { broker: memoryBroker(), power: logindPower({ address }) },
  );
  const { bus } = keeper;
  const steps: [string, boolean][] = [];
  bus.watchEvents((_node, name, event) => {
    if (name === 'shutdown/step' && 'ok' in event) steps.push([event.step, event.ok]);
  });
  const ask = (confirmations = 0) =>
    bus.request('CAM_C', 'shutdown', { confirmations }, { timeoutMs: 10_000 });
  const { v, online, run_id, at, ...idle } = recorderState();
  const says = (change: Partial<RecorderState>): void => bus.setState('recorder', { ...idle, ...change });
  let stopped = 0;
  bus.handle('stop', async () => {
    stopped++;
    t.same(calls, [], 'the machine is on while the recording ends');
    says({ state: 'finalizing', session_uid: UID });
    setTimeout(() => says({}), 100);
    return { camera_id: 'CAM_C', state: 'finalizing', session_uid: UID };
  });

  says({ state: 'recording', session_uid: UID });
  await keeper.until('the housekeeper to know that it records', async () =>
    ask().then(
      () => false,
      (error) => error.code === 'already_recording' && error.field === 'confirmations',
    ),
  );
  await t.rejects(ask(1), { code: 'already_recording' });
  t.same([stopped, calls, steps], [0, [], []], 'nothing happened');
  t.match(await ask(2), { camera_id: 'CAM_C', steps: ['stop', 'finalize', 'write', 'power-off'] });
  t.same([stopped, calls], [1, [false]]);
  await keeper.until('the steps', () => steps.length === 4);
  t.same(steps, [
    ['stop', true],
    ['finalize', true],
    ['write', true],
    ['power-off', true],
  ]);

  t.match(await ask(), { steps: ['finalize', 'write', 'power-off'] }, 'an idle node needs no confirmation');
  t.equal(calls.length, 2);
});

t.test('what nobody knows to be idle is not powered off unasked', async (t) => {
  const address = await privateBus(t);
  const calls = await standIn(t, address);
  const { bus, until } = await housekeeper(
    t,
    memoryDisk(1e9),
    {},
    { broker: memoryBroker(), power: logindPower({ address }) },
  );
  const ask = () => bus.request('CAM_C', 'shutdown', {}, { timeoutMs: 10_000 });
  await t.rejects(ask(), { code: 'already_recording', message: /without its recorder/ });
  const { v, online, run_id, at, ...idle } = recorderState();
  bus.setSession({
    ...{ v: 1, session_uid: UID, session_id: 'Cup', revision: 1, state: 'recording', conductor: 'CAM_C' },
    ...{ start_at: at, stop_at: null, max_duration_sec: 60, cameras: [], updated_at: at },
  });
  bus.setState('recorder', idle);
  await until('the rig is known to record', () =>
    ask().then(
      () => false,
      (error) => /session that runs/.test(error.message),
    ),
  );
  t.same(calls, [], 'the machine is on');
});

t.test('a machine that may not or cannot be powered off says so', async (t) => {
  const forbidden = await housekeeper(t, memoryDisk(1e9));
  await t.rejects(forbidden.bus.request('CAM_C', 'shutdown', {}, { timeoutMs: 5000 }), {
    code: 'power_refused',
    field: 'power.off',
  });
  const address = await privateBus(t);
  await t.rejects(logindPower({ address }).powerOff(), { code: 'power_refused', message: /login1/ });
});
