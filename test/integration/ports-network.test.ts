import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { networkConformance } from '#ports/network/conformance.ts';
import { networkManager } from '#ports/network/network-manager.ts';
import { openNmBus } from '#ports/network/nm-bus.ts';
import { simulatedRadios } from '#ports/network/simulated-radio.ts';
import { until } from '../fixtures/bridges.ts';
import { tempFolder } from '../fixtures/central.ts';
import { networkManagerStandIn } from '../fixtures/network-manager.ts';
import { privateBus } from '../fixtures/private-bus.ts';

t.test('the simulated radio behaves like a network', async (t) => {
  const clock = manualClock();
  const radios = simulatedRadios(clock);
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    for (let n = 0; n < 600 && !over; n++) await clock.advance(100);
    return promise;
  };
  await networkConformance(t, {
    network: radios.radio('ours'),
    other: radios.radio('theirs'),
    async appear(ssid, options) {
      radios.appear(ssid, options);
    },
    async vanish(ssid) {
      radios.vanish(ssid);
    },
    settled,
    async until(condition) {
      for (let n = 0; n < 60; n++) {
        if (await condition()) return true;
        await clock.advance(1000);
      }
      return false;
    },
  });
});

t.test('without NetworkManager, or without a bus, the error says so', async (t) => {
  const network = networkManager({
    clock: systemClock(),
    interface: 'wlan0',
    address: 'unix:path=/nowhere/bus',
  });
  await t.rejects(network.link(), { code: 'network_failed', message: /\/nowhere\/bus/ });
  await t.rejects(
    network.watch(() => undefined),
    { code: 'network_failed' },
  );
});

t.test('a bus that takes a connection and says nothing more is let go of', async (t) => {
  const path = join(await tempFolder(t), 'bus');
  const sockets: Socket[] = [];
  let ended = false;
  // As of a bus that is stopped: the connection stands, nobody reads, nobody closes.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {
      ended = true;
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await t.rejects(openNmBus(`unix:path=${path}`, 100), { code: 'network_failed', message: /100 ?ms/ });
  await until(() => {
    sockets[0]?.write('anybody?');
    return ended;
  }, 'a connection that is closed on both ways');
});

t.test(
  'NetworkManager: a change that is given up is rolled back, one that succeeds is confirmed',
  async (t) => {
    const address = await privateBus(t);
    const { on, checkpoints } = await networkManagerStandIn(t, address);
    const network = networkManager({ clock: systemClock(), interface: 'wlan0', address });
    const stop = await network.watch(() => undefined);
    t.teardown(stop);
    const club = { ssid: 'CLUB', key: 'goalkeeper-1', hidden: false };
    const control = new AbortController();
    const reason = new Error('a recording begins');
    const given = network.join(club, control.signal).catch((error: unknown) => error);
    await until(() => on.calls.includes('activate'), 'a change under way');
    control.abort(reason);
    t.equal(await given, reason);
    t.same(on.calls, ['create', 'activate', 'rollback Checkpoint/1']);
    on.calls.length = 0;
    on.activeState = 2;
    await network.join(club);
    t.same(on.calls, ['create', 'activate', 'destroy Checkpoint/2']);
    t.same(checkpoints, []);
  },
);

t.test('NetworkManager: what an earlier run left half-way is rolled back, and nothing else', async (t) => {
  const address = await privateBus(t);
  const { on, radio, addCheckpoint, checkpoints } = await networkManagerStandIn(t, address);
  addCheckpoint([radio], 45);
  const foreign = [addCheckpoint([radio], 600), addCheckpoint([], 45)];
  const network = networkManager({ clock: systemClock(), interface: 'wlan0', address });
  const stop = await network.watch(() => undefined);
  t.teardown(stop);
  t.match(await network.link(), { radio: { kind: 'idle' } });
  t.same(on.calls, ['rollback Checkpoint/1']);
  t.same(checkpoints, foreign);
});

t.test('NetworkManager: a look that comes too soon after another has what that found', async (t) => {
  const address = await privateBus(t);
  const { on } = await networkManagerStandIn(t, address);
  const network = networkManager({ clock: systemClock(), interface: 'wlan0', address });
  const stop = await network.watch(() => undefined);
  t.teardown(stop);
  const club = [{ ssid: 'CLUB', signal_percent: 61 }];
  t.same(await network.look([]), club);
  on.lastScanMs -= 5000;
  on.scanRefused = 'org.freedesktop.NetworkManager.Device.NotAllowed';
  t.same(await network.look([]), club);
  on.scanRefused = 'org.freedesktop.NetworkManager.Device.Failed';
  await t.rejects(network.look([]), { code: 'network_failed', message: /RequestScan/ });
});
