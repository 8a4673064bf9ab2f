import { uptime } from 'node:os';
import dbus from 'dbus-native';
import { TouchlineError } from '#contracts/errors.ts';
import type { SeenNetwork } from '#domain/network/link.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { NM, type NmBus } from './nm-bus.ts';
import { ssidOf } from './nm-link.ts';

const WIRELESS = `${NM}.Device.Wireless`;
/** All channels of two bands, with the pauses that a busy driver makes. */
const SCAN_PATIENCE_US = 15_000_000;
const LOOK_AGAIN_US = 200_000;
/** LastScan is its end; what was seen at its beginning is seen a little earlier. */
const LOOK_LASTS_SEC = 5;
/** Of a look that was asked for so soon after another that it was refused: before 1.24 within 10 s, and at times while it is joining. */
const NOT_ALLOWED = 'org.freedesktop.NetworkManager.Device.NotAllowed';
/** LastSeen counts whole seconds. */
const ROUNDED_SEC = 1;

/** Has the radio look around, and tells what it found. */
export async function lookAround(parts: {
  readonly nm: NmBus;
  readonly clock: Clock;
  /** Its object. */
  readonly radio: string;
  readonly interface: string;
  readonly hidden: readonly string[];
}): Promise<readonly SeenNetwork[]> {
  const { nm, clock, radio, hidden } = parts;
  // NetworkManager keeps what it saw for minutes; it counts as this clock does (CLOCK_BOOTTIME).
  const sinceSec = uptime() - ROUNDED_SEC;
  const before = await nm.get<bigint>(radio, WIRELESS, 'LastScan');
  const options =
    hidden.length === 0
      ? {}
      : // Asked for by name, a hidden network answers; the empty name stands for all that are not hidden.
        { ssids: new dbus.Variant('aay', [Buffer.alloc(0), ...hidden.map((ssid) => Buffer.from(ssid))]) };
  const refused = await nm.call(radio, WIRELESS, 'RequestScan', 'a{sv}', [options]).then(
    () => false,
    (error: unknown) => {
      if (error instanceof TouchlineError && error.details?.dbus_name === NOT_ALLOWED) return true;
      throw error;
    },
  );
  // Then what that one found is as good; a radio that has never looked has nothing.
  const freshSec = refused ? Math.max(0, Number(before) / 1000 - LOOK_LASTS_SEC) : sinceSec;
  const endUs = clock.monoUs() + SCAN_PATIENCE_US;
  while (!refused && (await nm.get<bigint>(radio, WIRELESS, 'LastScan')) === before) {
    if (clock.monoUs() > endUs)
      throw new TouchlineError(
        'network_failed',
        `the radio did not look around in ${SCAN_PATIENCE_US / 1e6} s`,
      );
    await clock.sleepUntil(clock.monoUs() + LOOK_AGAIN_US, 'the radio to look around');
  }
  const paths = await nm.call<string[]>(radio, WIRELESS, 'GetAllAccessPoints');
  const best = new Map<string, number>();
  for (const path of paths) {
    const { Ssid, Strength, LastSeen } = await nm.all(path, `${NM}.AccessPoint`);
    const ssid = ssidOf(Ssid);
    // Its own access point has no time.
    if (ssid !== '' && Number(LastSeen) >= freshSec)
      best.set(ssid, Math.max(best.get(ssid) ?? 0, Number(Strength)));
  }
  return [...best]
    .map(([ssid, signal_percent]) => ({ ssid, signal_percent }))
    .toSorted((a, b) => b.signal_percent - a.signal_percent);
}
