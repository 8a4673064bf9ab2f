import { z } from 'zod';
import { CameraId, Position, RigId } from './ids.ts';

/**
 * What the image tool is told: how boot configuration is layered (`firmware-config/`), which cameras a rig has (`rig.yml`), and its
 * secrets (`rig.secrets.yml`), which stand in a file of their own.
 */

/** Where the node's own files are in the boot partition (`/mnt/boot` of balenaOS). */
export const BOOT_FILES = {
  node: 'touchline/node.yml',
  chrony: 'touchline/chrony.conf',
  provenance: 'touchline/provenance.json',
} as const;

const why = z.string().min(10).describe('Why it is set, for the next reader');
/** A line of a file that other programs read: nothing that could end the line or hide in it. */
const oneLine = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[\x20-\x7e]+$/, 'must be one line of printable ASCII characters');

/** Keys of config.txt that the Supervisor takes from nobody, and would leave out without a word. */
const RESERVED_KEYS = [
  'disable_commandline_tags',
  'cmdline',
  'kernel',
  'kernel_address',
  'kernel_old',
  'ramfsfile',
  'ramfsaddr',
  'initramfs',
  'device_tree_address',
  'init_emmc_clock',
  'avoid_safe_mode',
];

/** Raspberry Pi documentation, config.txt, "File format". */
const CONFIG_TXT_LINE_MAX = 98;

const ConfigTxtSetting = z
  .strictObject({
    key: z
      .string()
      .regex(
        /^[a-z][a-z0-9_]*(:[A-Za-z0-9_-]+)?$/,
        'must be a key of config.txt, or dtoverlay:NAME to take that one away',
      )
      .refine((key) => !RESERVED_KEYS.includes(key), 'is a key that balenaOS keeps to itself'),
    value: oneLine.nullable().describe('Null takes away what a layer below has set'),
    why,
  })
  .refine(({ key, value }) => key !== 'dtparam' || value === null || !value.includes(','), {
    path: ['value'],
    message: 'must be one parameter: write a second setting for the next',
  })
  .refine(({ key, value }) => value === null || key.length + 1 + value.length <= CONFIG_TXT_LINE_MAX, {
    path: ['value'],
    message: `makes a line of more than ${CONFIG_TXT_LINE_MAX} characters, of which the firmware reads no more`,
  })
  .refine(({ key, value }) => value === null || !key.includes(':'), {
    path: ['key'],
    message: 'may have a colon only with the value null, which takes that one away',
  });

const setting = <T extends z.ZodType>(key: RegExp, value: T) =>
  z.strictObject({
    key: z.string().regex(key),
    value: value.nullable().describe('Null takes away what a layer below has set'),
    why,
  });

const ConnectionValue = z.record(
  z.string().regex(/^[a-z0-9-]+$/),
  z.record(
    z.string().regex(/^[a-z0-9.-]+$/),
    z.union([z.string().regex(/^[\x20-\x7e]*$/), z.int(), z.boolean()]),
  ),
);

/** One file of `firmware-config/`, or what a rig or a camera adds. A later layer wins, setting by setting. */
export const FirmwareLayer = z.strictObject({
  layer: z.string().regex(/^[a-z0-9/-]{1,64}$/),
  config_txt: z.array(ConfigTxtSetting).default([]).describe("config.txt of the Raspberry Pi's firmware"),
  cmdline: z
    .array(setting(/^[a-z][A-Za-z0-9_.]*$/, z.string().regex(/^[\x21-\x7e]*$/, 'must not have spaces')))
    .default([])
    .describe('Command line of the kernel; an empty value is a bare word'),
  config_json: z
    .array(setting(/^[A-Za-z][A-Za-z0-9_.]*$/, z.json()))
    .default([])
    .describe('config.json of balenaOS'),
  connections: z
    .array(setting(/^touchline-[a-z0-9-]{1,32}$/, ConnectionValue))
    .default([])
    .describe('Connections of NetworkManager: section, property, value'),
  chrony: z
    .array(setting(/^[a-z]+$/, z.string().regex(/^[\x20-\x7e]*$/)))
    .default([])
    .describe("Directives of the host's chronyd, where there is no balenaOS"),
  node: z
    .array(setting(/^[a-z0-9_]+(\.[a-z0-9_]+)*$/, z.json()))
    .default([])
    .describe("Settings of the node's configuration"),
});
export type FirmwareLayer = z.infer<typeof FirmwareLayer>;

/** What can be wired to a node; each is a layer `firmware-config/hardware/NAME.yml`. */
export const Hardware = z.enum(['signals', 'beeper', 'beeper-pwm', 'ups-serial', 'ups-i2c', 'gnss']);
export type Hardware = z.infer<typeof Hardware>;

/** Each is a layer `firmware-config/camera/NAME.yml`. */
export const CameraModule = z.enum(['camera-module-3', 'hawkeye-64mp']);
export type CameraModule = z.infer<typeof CameraModule>;

const ssid = z.string().regex(/^[\x20-\x7e]{1,32}$/, 'must be 1 to 32 printable ASCII characters');

const OwnLayer = FirmwareLayer.omit({ layer: true });

const RigCamera = z.strictObject({
  camera_id: CameraId,
  position: Position,
  module: CameraModule.default('camera-module-3').describe('Camera on the CSI connector'),
  balena: z
    .string()
    .min(1)
    .optional()
    .describe(
      'File with the config.json of this one device (`balena config generate --device UUID`); without it the image joins no fleet',
    ),
  firmware: OwnLayer.prefault({}).describe('Settings of this camera alone: the last layer'),
});

export const RigDescription = z
  .strictObject({
    version: z.literal(1).describe('Version of this file: 1'),
    rig: RigId,
    mode: z.enum(['production', 'development']).default('production'),
    machine: z.enum(['raspberrypi5']).default('raspberrypi5').describe('Device type of the nodes'),
    hardware: z.array(Hardware).default([]).describe('What is wired to every node'),
    master: CameraId.default('CAM_C').describe('The node whose clock the rig follows'),
    cameras: z.array(RigCamera).min(1).max(16),
    network: z
      .strictObject({
        country: z
          .string()
          .regex(/^[A-Z]{2}$/, 'must be two capital letters (ISO 3166): CH')
          .optional()
          .describe('Country whose radio rules hold'),
        home: z.array(ssid).max(16).default([]).describe('Networks to join; their keys are secrets'),
      })
      .prefault({}),
    central: z
      .strictObject({
        host: z.string().min(1).max(253).describe('Address of the central server'),
        upload_port: z.int().min(1).max(65_535).default(8081),
        broker_port: z.int().min(1).max(65_535).default(1884),
      })
      .optional()
      .describe('Where recordings go'),
    time: z
      .strictObject({
        ntp_servers: z
          .array(z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/, 'must be a host name or an address'))
          .max(8)
          .default([])
          .describe('NTP servers, where they can be reached'),
      })
      .prefault({}),
    firmware: OwnLayer.prefault({}).describe('Settings of this rig: a layer above those of its machine'),
  })
  .superRefine((rig, context) => {
    const refuse = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    for (const [index, camera] of rig.cameras.entries()) {
      const before = rig.cameras.slice(0, index);
      if (before.some(({ camera_id }) => camera_id === camera.camera_id))
        refuse(['cameras', index, 'camera_id'], 'is listed twice');
      if (camera.balena !== undefined && before.some(({ balena }) => balena === camera.balena))
        refuse(['cameras', index, 'balena'], 'is the file of another camera: each device has its own');
    }
    if (!rig.cameras.some(({ camera_id }) => camera_id === rig.master))
      refuse(['master'], 'must be one of cameras');
    if (new Set(rig.hardware).size < rig.hardware.length) refuse(['hardware'], 'names something twice');
    for (const [one, other] of [
      ['beeper', 'beeper-pwm'],
      ['ups-serial', 'ups-i2c'],
    ] as const)
      if (rig.hardware.includes(one) && rig.hardware.includes(other))
        refuse(['hardware'], `has ${one} and ${other}: a node has one of them`);
    if (rig.hardware.some((each) => each.startsWith('beeper')) && !rig.hardware.includes('signals'))
      refuse(['hardware'], 'needs signals for a beeper: its overlay names the line');
    if (new Set(rig.network.home).size < rig.network.home.length)
      refuse(['network', 'home'], 'names a network twice');
    if (rig.network.home.some((name) => name.startsWith('SOCCER_CAM_')))
      refuse(['network', 'home'], 'has a name that access points of rigs have');
  })
  .describe('A rig, as the image tool is told');
export type RigDescription = z.infer<typeof RigDescription>;
export type RigCamera = RigDescription['cameras'][number];

/** Secrets of a rig. They stand beside `rig.yml`, readable for their owner alone, and are never printed but on the sheets. */
export const RigSecrets = z
  .strictObject({
    version: z.literal(1),
    pin: z.string().regex(/^\d{8}$/, 'must be eight digits'),
    pin_hash: z.string().startsWith('$argon2id$'),
    rig_key: z.string().min(32).max(128),
    access_point_key: z.string().regex(/^[\x20-\x7e]{8,63}$/, 'must be 8 to 63 printable ASCII characters'),
    home: z
      .array(
        z.strictObject({
          ssid,
          key: z.string().regex(/^[\x20-\x7e]{8,63}$/, 'must be 8 to 63 printable ASCII characters'),
        }),
      )
      .default([])
      .describe('Keys of the networks in rig.yml; one without a key is open'),
  })
  .describe('Secrets of a rig');
export type RigSecrets = z.infer<typeof RigSecrets>;
