import t from 'tap';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { exchangeConformance } from '#ports/time-exchange/conformance.ts';
import { simulatedNetwork } from '#ports/time-exchange/simulated-network.ts';
import type { TimedDatagram } from '#ports/time-exchange/time-exchange.ts';
import { udpExchange } from '#ports/time-exchange/udp-exchange.ts';

t.test('UDP behaves like an exchange', async (t) => {
  const clock = systemClock();
  const listen = { host: '127.0.0.1', port: 0 };
  await exchangeConformance(t, {
    clock,
    ours: udpExchange({ clock, listen }),
    theirs: udpExchange({ clock, listen }),
    rival: (taken) => udpExchange({ clock, listen: taken }),
    until: async (condition) => {
      const endUs = clock.monoUs() + 10e6;
      while (!condition() && clock.monoUs() < endUs)
        await clock.sleepUntil(clock.monoUs() + 2000, 'a datagram');
      return condition();
    },
  });
});

t.test('a host may be a name, and one that nobody knows is silent', async (t) => {
  const clock = systemClock();
  const heard: TimedDatagram[] = [];
  const here = udpExchange({ clock, listen: { host: '127.0.0.1', port: 0 } });
  const there = udpExchange({ clock, listen: { host: '127.0.0.1', port: 0 } });
  t.teardown(() => Promise.all([here.close(), there.close()]));
  const { port: herePort } = await here.open(() => undefined);
  const { port } = await there.open((datagram) => void heard.push(datagram));
  await here.send({ host: 'localhost', port }, () => Buffer.from('by name'));
  await there.send({ host: 'localhost', port: herePort }, () => Buffer.from('by name'));
  while (heard.length === 0) await clock.sleepUntil(clock.monoUs() + 2000, 'a datagram');
  t.ok(heard[0] && there.isFrom(heard[0], { host: 'localhost', port: herePort }));
  await t.rejects(
    here.send({ host: 'no-such-camera.invalid', port }, () => Buffer.from('hello')),
    { code: 'peer_silent', message: /no-such-camera\.invalid/ },
  );
});

t.test('the simulated network behaves like an exchange, and has its moods', async (t) => {
  const clock = manualClock();
  const network = simulatedNetwork();
  const [a, b] = [
    { host: 'a', port: 1 },
    { host: 'b', port: 1 },
  ];
  const until = async (condition: () => boolean): Promise<boolean> => {
    for (let n = 0; n < 100 && !condition(); n++) await clock.advance(1);
    return condition();
  };
  await exchangeConformance(t, {
    clock,
    ours: network.node(a, clock),
    theirs: network.node(b, clock),
    rival: (taken) => network.node(taken, clock),
    until,
  });

  const here = network.node(a, clock);
  const there = network.node(b, clock);
  const heard: TimedDatagram[] = [];
  await here.open(() => undefined);
  await there.open((datagram) => void heard.push(datagram));
  const sendAt = async (): Promise<number> => {
    const atUs = clock.monoUs();
    await here.send(b, () => Buffer.from('x'));
    await clock.advance(100);
    return atUs;
  };
  network.way('a', 'b', { delayUs: 7000 });
  const sentUs = await sendAt();
  t.equal((heard[0]?.atMonoUs ?? 0) - sentUs, 7000, 'delay');
  network.way('a', 'b', { cut: true });
  await sendAt();
  t.equal(heard.length, 1, 'loss');
  network.way('a', 'b', { cut: false, copies: 2 });
  await sendAt();
  t.equal(heard.length, 3, 'doubles');
  network.inject({ host: 'x', port: 9 }, b, Buffer.from('anybody'));
  await clock.advance(100);
  t.same(heard[3]?.from, { host: 'x', port: 9 }, 'strangers');
});
