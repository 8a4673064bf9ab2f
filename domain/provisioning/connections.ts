/** Connections as NetworkManager keeps them in files (nm-settings-keyfile(5)); balenaOS takes them from `system-connections`. */

export type Connection = Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;

/** The file of a connection. `id` is also its name on the disk. */
export function keyfile(id: string, connection: Connection): string {
  const { connection: identity, ...rest } = connection;
  const sections = Object.entries({ connection: { id, ...identity }, ...rest });
  return sections
    .map(([section, properties]) => {
      const lines = Object.entries(properties).map(([name, value]) => `${name}=${escaped(String(value))}`);
      return `[${section}]\n${lines.join('\n')}\n`;
    })
    .join('\n');
}

/** A Wi-Fi network to join by itself; open without a key. The highest priority wins. */
export function wifiConnection(network: {
  readonly ssid: string;
  readonly key?: string | undefined;
  readonly priority: number;
}): Connection {
  return {
    connection: { type: 'wifi', autoconnect: true, 'autoconnect-priority': network.priority },
    wifi: { mode: 'infrastructure', ssid: ssidValue(network.ssid) },
    ...(network.key === undefined ? {} : { 'wifi-security': { 'key-mgmt': 'wpa-psk', psk: network.key } }),
    ipv4: { method: 'auto' },
    ipv6: { method: 'auto', 'addr-gen-mode': 'default' },
  };
}

/** Plain where nothing in it means something else in such a file, otherwise the list of its bytes. */
function ssidValue(ssid: string): string {
  if (/^[A-Za-z][A-Za-z0-9_. -]*$/.test(ssid) && !ssid.endsWith(' ')) return ssid;
  return [...new TextEncoder().encode(ssid)].map((byte) => `${byte};`).join('');
}

/** GKeyFile: a backslash begins an escape, and blanks at the beginning are skipped. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replace(/^ +/, (blanks) => '\\s'.repeat(blanks.length));
}
