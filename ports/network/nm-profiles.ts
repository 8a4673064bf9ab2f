import dbus from 'dbus-native';
import type { AccessPointToOpen, NetworkToJoin } from './network.ts';

/** Profiles as NetworkManager takes them (nm-settings-dbus(5)): section → property → value. */
export type Profile = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** 802.11w: 2 where the radio can, 3 always. */
const PMF_OPTIONAL = 2;
/** NetworkManager's own patience is 45 s; who waits for an address on a pitch has waited long enough by then. */
const DHCP_TIMEOUT_SEC = 15;
/** Channels above are those of 5 GHz. */
const LAST_CHANNEL_2_4_GHZ = 14;

const { Variant } = dbus;

const identity = (name: string, device: string): Record<string, unknown> => ({
  id: `touchline ${name}`,
  type: '802-11-wireless',
  'interface-name': device,
  // Which network it is on is decided here, and NetworkManager would go by itself.
  autoconnect: false,
});

export function stationProfile(device: string, { ssid, key, hidden }: NetworkToJoin): Profile {
  return {
    connection: identity(ssid, device),
    '802-11-wireless': { ssid: Buffer.from(ssid), mode: 'infrastructure', hidden },
    ...(key === undefined
      ? {}
      : {
          // By the passphrase alone NetworkManager offers WPA2 and WPA3 alike, where radio and network can.
          '802-11-wireless-security': {
            'key-mgmt': 'wpa-psk',
            psk: key,
            pmf: new Variant('i', PMF_OPTIONAL),
          },
        }),
    ipv4: { method: 'auto', 'dhcp-timeout': new Variant('i', DHCP_TIMEOUT_SEC), 'may-fail': false },
    ipv6: { method: 'ignore' },
  };
}

export function accessPointProfile(
  device: string,
  { ssid, key, channel, address }: AccessPointToOpen,
): Profile {
  const [host = '', length = ''] = address.split('/');
  return {
    connection: identity(ssid, device),
    '802-11-wireless': {
      ssid: Buffer.from(ssid),
      mode: 'ap',
      band: channel > LAST_CHANNEL_2_4_GHZ ? 'a' : 'bg',
      channel: new Variant('u', channel),
    },
    '802-11-wireless-security': {
      'key-mgmt': 'wpa-psk',
      psk: key,
      proto: ['rsn'],
      pairwise: ['ccmp'],
      group: ['ccmp'],
      pmf: new Variant('i', PMF_OPTIONAL),
    },
    // NetworkManager runs dnsmasq for it.
    ipv4: {
      method: 'shared',
      'address-data': new Variant('aa{sv}', [{ address: host, prefix: new Variant('u', Number(length)) }]),
    },
    ipv6: { method: 'ignore' },
  };
}
