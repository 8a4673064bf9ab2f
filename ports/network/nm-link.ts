import type { Link, Radio } from '#domain/network/link.ts';
import { NM, NM_PATH, type NmBus, NO_OBJECT } from './nm-bus.ts';
import { DEVICE_STATE, DEVICE_TYPE, WIFI_MODE_AP } from './nm-states.ts';

const DEVICE = `${NM}.Device`;
const WIRELESS = `${NM}.Device.Wireless`;

/** Path of the radio of that name; undefined when there is none. */
export async function radioOf(nm: NmBus, name: string): Promise<string | undefined> {
  for (const path of await nm.call<string[]>(NM_PATH, NM, 'GetDevices')) {
    const device = await nm.all(path, DEVICE);
    if (device.Interface === name && device.DeviceType === DEVICE_TYPE.wifi) return path;
  }
  return undefined;
}

export async function readLink(nm: NmBus, name: string): Promise<Link> {
  const paths = await nm.call<string[]>(NM_PATH, NM, 'GetDevices');
  const devices = await Promise.all(paths.map(async (path) => ({ path, ...(await nm.all(path, DEVICE)) })));
  const addresses: string[] = [];
  let wired = false;
  let found: { readonly radio: Radio; readonly signal: number | null } | undefined;
  for (const device of devices as Device[]) {
    const type = device.DeviceType;
    if (type !== DEVICE_TYPE.wifi && type !== DEVICE_TYPE.ethernet) continue;
    const own = await addressesOf(nm, device);
    addresses.push(...own);
    if (type === DEVICE_TYPE.ethernet) wired ||= device.State === DEVICE_STATE.activated && own.length > 0;
    else if (device.Interface === name) found = await radioState(nm, device);
  }
  return {
    wired,
    radio: found?.radio ?? { kind: 'absent' },
    addresses,
    signal_percent: found?.signal ?? null,
    // NetworkManager counts no stations.
    stations: null,
  };
}

interface Device {
  readonly path: string;
  readonly Interface: string;
  readonly DeviceType: number;
  readonly State: number;
  readonly Ip4Config: string;
}

async function addressesOf(nm: NmBus, { Ip4Config: config, State: state }: Device): Promise<string[]> {
  if (state !== DEVICE_STATE.activated || config === NO_OBJECT) return [];
  const { AddressData } = await nm.all(config, `${NM}.IP4Config`);
  return (AddressData as { address: string }[]).map(({ address }) => address);
}

async function radioState(
  nm: NmBus,
  { path, State: state }: Device,
): Promise<{ readonly radio: Radio; readonly signal: number | null }> {
  if (state <= DEVICE_STATE.unavailable) return { radio: { kind: 'absent' }, signal: null };
  if (state !== DEVICE_STATE.activated) return { radio: { kind: 'idle' }, signal: null };
  const { Mode: mode, ActiveAccessPoint: active } = await nm.all(path, WIRELESS);
  if (typeof active !== 'string' || active === NO_OBJECT) return { radio: { kind: 'idle' }, signal: null };
  const { Ssid, Strength } = await nm.all(active, `${NM}.AccessPoint`);
  const ssid = ssidOf(Ssid);
  return mode === WIFI_MODE_AP
    ? { radio: { kind: 'open', ssid }, signal: null }
    : { radio: { kind: 'member', ssid }, signal: Number(Strength) };
}

export function ssidOf(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array).toString('utf8');
}
