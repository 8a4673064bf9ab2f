import { existsSync } from 'node:fs';
import { systemClock } from '#ports/clock/system-clock.ts';
import { networkConformance } from '#ports/network/conformance.ts';
import { networkManager } from '#ports/network/network-manager.ts';
import { checks } from '../wifi/checks.ts';
import { club, startMachine, takeRadio, until } from '../wifi/machines.ts';

/** NetworkManager held against what every network does: two machines and the access point of a club, in a guest. */

const READY_MS = 60_000;
const clock = systemClock();
const { t, failures, count } = checks((line) => process.stdout.write(`LAB-SAY ${JSON.stringify(line)}\n`));

takeRadio('wlan0', 'club');
const home = club('club', 'wlan0');
const machines = (['a', 'b'] as const).map((namespace, index) => {
  takeRadio(`wlan${index + 1}`, namespace);
  return startMachine({
    namespace,
    radio: `wlan${index + 1}`,
    machineId: namespace.repeat(32),
    command: ['sleep', 'infinity'],
  });
});
const [network, other] = machines.map(({ bus }) =>
  networkManager({ clock, interface: 'wlan0', address: bus }),
);
if (!network || !other) throw new Error('two machines are needed');
for (const { bus } of machines)
  await until('a system bus', READY_MS, () => existsSync(bus.replace('unix:path=', '')));
for (const each of [network, other])
  await until('NetworkManager', READY_MS, () =>
    each.link().then(
      ({ radio }) => radio.kind === 'idle',
      () => false,
    ),
  );
await networkConformance(t, {
  network,
  other,
  appear: (ssid, options) => home.appear(ssid, { ...options, channel: 6 }),
  vanish: () => home.vanish(),
  settled: (promise) => promise,
  until: (condition) =>
    until('it', READY_MS, condition).then(
      () => true,
      () => false,
    ),
});
for (const failure of failures)
  process.stdout.write(`LAB-SAY ${JSON.stringify({ failure: `NetworkManager: ${failure}` })}\n`);
process.stdout.write(`LAB-SAY ${JSON.stringify({ figures: { adapter_checks: count() } })}\n`);
process.exit();
