import { z } from 'zod';
import { WireError } from './errors.ts';
import { CameraId, Position } from './ids.ts';
import { serviceState } from './service-state.ts';
import { WireTime } from './time.ts';

/** How a node is connected, and which other nodes it sees. */

const psk = z
  .string()
  .regex(/^[\x20-\x7e]{8,63}$/, 'must be 8 to 63 printable ASCII characters')
  .meta({ secret: true });
const ssid = z
  .string()
  .min(1)
  .refine((name) => new TextEncoder().encode(name).length <= 32, 'must have 32 bytes at most');

export const NetworkConfig = z
  .strictObject({
    manager: z
      .enum(['none', 'networkmanager'])
      .default('none')
      .describe('`networkmanager`: this node joins and opens networks itself; `none`: somebody else does'),
    interface: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,15}$/)
      .default('wlan0')
      .describe('The radio it uses'),
    home: z
      .array(
        z.strictObject({
          ssid: ssid.describe('Name of the network'),
          key: psk.optional().describe('Its key; an open network when left out'),
          hidden: z.boolean().default(false).describe('Whether it does not tell its name'),
        }),
      )
      .max(16)
      .default([])
      .describe('Networks to join where they are, the best first'),
    join_timeout_sec: z
      .number()
      .min(1)
      .max(600)
      .default(30)
      .describe('Without a network after this, the master opens an access point'),
    takeover_sec: z
      .number()
      .min(1)
      .max(600)
      .default(60)
      .describe('Without one of the master after this, the next node in order opens one'),
    look_home_sec: z
      .number()
      .min(1)
      .max(3600)
      .default(60)
      .describe('On an access point, home networks are looked for this often'),
    access_point: z
      .strictObject({
        key: psk.optional().describe('Key of the access points of the rig, the same on all nodes'),
        channel: z.int().min(1).max(165).default(6).describe('Radio channel'),
        address: z
          .string()
          .regex(
            /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/,
            'must be an address with the length of its network: 10.42.7.1/24',
          )
          .default('10.42.7.1/24')
          .describe('Address of the node that opens it'),
      })
      .prefault({}),
    discovery: z
      .enum(['none', 'mdns'])
      .default('none')
      .describe('`mdns`: nodes announce themselves and find each other by multicast DNS'),
    discovery_host: z
      .ipv4('must be an IPv4 address')
      .default('0.0.0.0')
      .describe('Announced on the interface of this address; 0.0.0.0: on all'),
  })
  .superRefine((config, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    if (config.manager === 'networkmanager' && config.access_point.key === undefined)
      refuse(
        ['access_point', 'key'],
        'must be set when manager is networkmanager, the same on all nodes of the rig',
      );
    if (config.takeover_sec < config.join_timeout_sec)
      refuse(['takeover_sec'], 'must not be below join_timeout_sec: the master comes first');
    for (const [index, { ssid: name }] of config.home.entries()) {
      if (name.startsWith('SOCCER_CAM_'))
        refuse(['home', index, 'ssid'], 'is what the access points of rigs are called');
      if (config.home.findIndex((other) => other.ssid === name) < index)
        refuse(['home', index, 'ssid'], 'is listed twice');
    }
    if (!isHostAddress(config.access_point.address))
      refuse(
        ['access_point', 'address'],
        'must be an address of a host in a network of 8 to 30 bits, such as 10.42.7.1/24',
      );
  })
  .describe('Network of the node');

/** Whether it is an address that a host can have, in a network with room for others. */
function isHostAddress(address: string): boolean {
  const [text = '', length = ''] = address.split('/');
  const octets = text.split('.').map(Number);
  const bits = Number(length);
  if (octets.length !== 4 || octets.some((octet) => octet > 255) || bits < 8 || bits > 30) return false;
  const host = octets.reduce((sum, octet) => sum * 256 + octet, 0) % 2 ** (32 - bits);
  return host !== 0 && host !== 2 ** (32 - bits) - 1;
}
export type NetworkConfig = z.infer<typeof NetworkConfig>;

/** A node found by mDNS: its TXT record and where it is. */
export const FoundNode = z
  .object({
    camera_id: CameraId,
    position: Position.nullable(),
    version: z.string(),
    hardware_id: z.string().describe('Of the board: a node that moves keeps it'),
    host: z.string().describe('Address'),
    mqtt_port: z.int().min(1).max(65_535),
    exchange_port: z.int().min(1).max(65_535),
    api_port: z.int().min(1).max(65_535),
    seen_at: WireTime.describe('When it was found'),
  })
  .describe('Another node of the rig as it announces itself');
export type FoundNode = z.infer<typeof FoundNode>;

export const NetworkMode = z
  .enum(['unmanaged', 'starting', 'joining', 'home', 'wired', 'access-point', 'member', 'offline'])
  .describe(
    '`home`: on a configured network; `access-point`: this node is the network of the rig; `member`: on that of another node; `unmanaged`: somebody else cares for it',
  );
export type NetworkMode = z.infer<typeof NetworkMode>;

export const NetworkState = z
  .object({
    ...serviceState,
    mode: NetworkMode,
    since: WireTime,
    reason: z.string().describe('Why it is in this mode, in words'),
    ssid: z.string().nullable(),
    addresses: z.array(z.string()).describe('Of this node, without loopback'),
    signal_percent: z.number().min(0).max(100).nullable(),
    home_in_sight: z
      .string()
      .nullable()
      .default(null)
      .describe('On an access point: a home network in reach, to which all go when nothing records'),
    stations: z.int().min(0).nullable().describe('Devices on the access point of this node'),
    peers: z.array(FoundNode).describe('Other nodes of the rig that were found'),
    conflicts: z.array(FoundNode).describe('Other machines that say they are this node'),
    warnings: z.array(WireError),
  })
  .describe('State of the network');
export type NetworkState = z.infer<typeof NetworkState>;
