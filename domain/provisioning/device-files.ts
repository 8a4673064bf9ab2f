import { TouchlineError } from '#contracts/errors.ts';
import {
  BOOT_FILES,
  type FirmwareLayer,
  type RigCamera,
  type RigDescription,
  type RigSecrets,
} from '#contracts/rig-description.ts';
import { accessPointOf } from '../network/plan.ts';
import { kernelCommandLine } from './cmdline.ts';
import { configTxt, hostConfigVariables } from './config-txt.ts';
import { keyfile, wifiConnection } from './connections.ts';
import type { Recipe, Setting } from './recipe.ts';

/** What the boot partition of one camera's image has, made from its recipe. */

/** What the base image has in its boot partition. */
export interface BaseFiles {
  readonly configTxt: string;
  readonly cmdline: string | undefined;
  readonly configJson: Readonly<Record<string, unknown>>;
}

/** Layer that a rig's description comes to, below the one that it writes itself. */
export function describedLayer(rig: RigDescription, camera: RigCamera, secrets: RigSecrets): FirmwareLayer {
  const { network, central, time } = rig;
  const key = (name: string): string | undefined => secrets.home.find((each) => each.ssid === name)?.key;
  const node = (name: string, value: NonNullable<unknown>, why: string): FirmwareLayer['node'][number] => ({
    key: name,
    value: value as FirmwareLayer['node'][number]['value'],
    why,
  });
  return {
    layer: 'rig/description',
    config_txt: [],
    chrony: time.ntp_servers.map((host) => ({
      key: 'server',
      value: `${host} iburst`,
      why: 'A time server of the rig.',
    })),
    cmdline:
      network.country === undefined
        ? []
        : [
            {
              key: 'cfg80211.ieee80211_regdom',
              value: network.country,
              why: 'The radio rules of the country, before any network is there to tell them.',
            },
          ],
    config_json: [
      { key: 'hostname', value: hostName(rig, camera), why: 'The name by which the network knows the node.' },
      ...(time.ntp_servers.length === 0
        ? []
        : [
            {
              key: 'ntpServers',
              value: time.ntp_servers.join(' '),
              why: 'Time servers of the host, until sync-agent takes the clock over.',
            },
          ]),
    ],
    connections: network.home.map((ssid, index) => ({
      key: `touchline-home-${index + 1}`,
      value: mutable(wifiConnection({ ssid, key: key(ssid), priority: network.home.length - index })),
      why: 'The host joins it by itself, to fetch the software at its first start.',
    })),
    node: [
      node('version', 1, 'Version of the configuration.'),
      node('rig', rig.rig, 'The rig of rig.yml.'),
      node('camera_id', camera.camera_id, 'The camera of rig.yml.'),
      node('position', camera.position, 'Its place on the mast.'),
      node(
        'cameras',
        rig.cameras.map(({ camera_id }) => camera_id),
        'Cameras that record together.',
      ),
      node('sync.master', rig.master, 'The clock that the rig follows.'),
      node('api.pin_hash', secrets.pin_hash, 'Hash of the PIN on the sheet.'),
      node('api.rig_key', secrets.rig_key, 'By which the nodes of the rig know each other.'),
      node('network.access_point.key', secrets.access_point_key, "Key of the rig's own Wi-Fi."),
      ...(network.home.length === 0
        ? []
        : [
            node(
              'network.home',
              network.home.map((ssid) => ({ ssid, ...(key(ssid) === undefined ? {} : { key: key(ssid) }) })),
              'Networks to join where they are.',
            ),
          ]),
      ...(time.ntp_servers.length === 0
        ? []
        : [node('sync.chronyd.upstream', time.ntp_servers, 'Time servers, where they can be reached.')]),
      ...(central === undefined
        ? []
        : [
            node('broker.central.host', central.host, 'The central server of rig.yml.'),
            node('broker.central.port', central.broker_port, 'Its broker.'),
            node(
              'offload.server_url',
              `http://${central.host}:${central.upload_port}`,
              'Where recordings are brought.',
            ),
            node('offload.auto_upload', true, 'Brought home whenever the server is there.'),
          ]),
    ],
  };
}

/** `touchline-home-ground-l`: letters, digits and hyphens, 63 at most (RFC 1123). */
export function hostName(rig: Pick<RigDescription, 'rig'>, camera: Pick<RigCamera, 'camera_id'>): string {
  const name = `${rig.rig}-${camera.camera_id.replace(/^CAM_/, '').toLowerCase()}`.replace(/^-+/, '');
  return `touchline-${name}`.slice(0, 63).replace(/-+$/, '');
}

/**
 * `config.json`: the base's, then the device's, then the recipe's. Throws `configuration_invalid` for what must not be in an image: another
 * device type, a key that opens the whole fleet, development mode in production.
 */
export function deviceConfigJson(parts: {
  readonly rig: RigDescription;
  readonly base: BaseFiles['configJson'];
  readonly device: Readonly<Record<string, unknown>> | undefined;
  /** Where `device` was read, for messages. */
  readonly deviceFile: string;
  readonly settings: readonly Setting<'config_json'>[];
  /** Keys at the top that are taken away. */
  readonly removed: readonly string[];
}): Record<string, unknown> {
  const { rig, base, device = {}, deviceFile, settings, removed } = parts;
  const result: Record<string, unknown> = { deviceType: rig.machine, ...base, ...device };
  for (const key of removed) delete result[key];
  for (const { key, value } of settings) place(result, key, value);
  const refuse = (field: string, message: string, remedy: string): never => {
    throw new TouchlineError('configuration_invalid', `config.json: ${message}`, { field, remedy });
  };
  for (const [name, type] of [
    ['the base image', base.deviceType],
    [deviceFile, device.deviceType],
  ])
    if (type !== undefined && type !== rig.machine)
      refuse(
        'deviceType',
        `${name} is for ${JSON.stringify(type)}, the rig has ${rig.machine}`,
        `Take the balenaOS image and the device of ${rig.machine}.`,
      );
  for (const field of ['uuid', 'deviceApiKey'])
    if (base[field] !== undefined)
      refuse(
        field,
        `the base image has the ${field} of a device already, and every image would have it`,
        'Take an image that was not configured: balena os download raspberrypi5.',
      );
  if (rig.mode === 'production' && result.developmentMode === true)
    refuse(
      'developmentMode',
      'developmentMode opens the host to everybody on the network, without a password',
      'Take it out of the base image and of the layers, or set mode: development in rig.yml.',
    );
  if (result.apiKey !== undefined && rig.mode === 'production')
    refuse(
      'apiKey',
      'apiKey is the key of a whole fleet: whoever finds the card could add devices to it',
      'Register each device and give it a file of its own: balena device register FLEET --uuid UUID, then balena config generate --device UUID.',
    );
  if (device.uuid !== undefined && !/^([0-9a-f]{32}|[0-9a-f]{62})$/.test(String(device.uuid)))
    refuse('uuid', `${deviceFile}: uuid must be 32 or 62 hex digits`, 'Take the file as balena made it.');
  if (Object.keys(device).length > 0 && (device.uuid === undefined || device.deviceApiKey === undefined))
    if (rig.mode === 'production')
      refuse(
        device.uuid === undefined ? 'uuid' : 'deviceApiKey',
        `${deviceFile} is not that of one device: it has no ${device.uuid === undefined ? 'uuid' : 'deviceApiKey'}`,
        'Make it with: balena config generate --device UUID --version VERSION --network ethernet --output FILE.',
      );
  return result;
}

/** Paths in the boot partition → text, but for the overlays, which are compiled. */
export function bootFiles(parts: {
  readonly recipe: Recipe;
  readonly base: BaseFiles;
  readonly configJson: Readonly<Record<string, unknown>>;
  /** The node's configuration as YAML, checked by the caller. */
  readonly nodeConfig: string;
}): Map<string, string> {
  const { recipe, base, configJson, nodeConfig } = parts;
  if (base.cmdline === undefined && recipe.cmdline.length > 0)
    throw new TouchlineError('image_invalid', 'the boot partition has no cmdline.txt to add to', {
      remedy: 'Take the settings out of the section cmdline, or use a balenaOS image for a Raspberry Pi.',
    });
  const files = new Map<string, string>();
  files.set('config.json', `${JSON.stringify(configJson, undefined, 2)}\n`);
  files.set('config.txt', configTxt(base.configTxt, recipe.config_txt, recipe.removed.config_txt));
  if (base.cmdline !== undefined)
    files.set('cmdline.txt', kernelCommandLine(base.cmdline, recipe.cmdline, recipe.removed.cmdline));
  for (const { key, value } of recipe.connections)
    files.set(`system-connections/${key}`, keyfile(key, value));
  files.set(
    BOOT_FILES.chrony,
    `${['# For hosts without balenaOS: a part of /etc/chrony/conf.d', ...recipe.chrony.map(({ key, value }) => `${key} ${value}`.trim())].join('\n')}\n`,
  );
  files.set(BOOT_FILES.node, nodeConfig);
  return files;
}

/** What a device of this image has to be told by balena, so that its Supervisor leaves config.txt as it is. */
export function variablesOf(files: ReadonlyMap<string, string>): Map<string, string> {
  return hostConfigVariables(files.get('config.txt') ?? '');
}

/** Text of the QR code by which a phone joins the rig's Wi-Fi (the form that camera apps read; ZXing's wiki, "Barcode Contents"). */
export function wifiCode(cameraId: string, key: string): string {
  const escaped = (text: string): string => text.replace(/[\\;,":]/g, '\\$&');
  return `WIFI:T:WPA;S:${escaped(accessPointOf(cameraId))};P:${escaped(key)};;`;
}

/** Sets `os.network.connectivity` with the objects above it. */
export function place(tree: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let level = tree;
  for (const key of keys) {
    const next = level[key];
    const inner = typeof next === 'object' && next !== null && !Array.isArray(next) ? { ...next } : {};
    level[key] = inner;
    level = inner as Record<string, unknown>;
  }
  level[last] = value;
}

function mutable<T>(value: T): FirmwareLayer['connections'][number]['value'] {
  return value as FirmwareLayer['connections'][number]['value'];
}
