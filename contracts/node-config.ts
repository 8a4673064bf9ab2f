import { z } from 'zod';
import { CameraConfig } from './camera-config.ts';
import { SensorsConfig } from './health.ts';
import { CameraId, Position, RigId } from './ids.ts';
import { NetworkConfig } from './network.ts';
import { SignalsConfig } from './signals.ts';
import { UpdatesConfig } from './updates.ts';

/**
 * Configuration of a camera node. Strict: an unknown key is refused with its path. The default of a value stands
 * here and nowhere else.
 */

const port = z.int().min(0).max(65_535);

export const Peer = z.strictObject({
  camera_id: CameraId,
  host: z.string().min(1),
  port: port.default(1883),
  exchange_port: port.default(7123).describe('UDP port of its exchange of time'),
});
export type Peer = z.infer<typeof Peer>;

/** Whether other hosts may connect. */
export const Access = z
  .enum(['loopback', 'trusted-lan'])
  .default('loopback')
  .describe('There is no authentication yet: listening beyond loopback has to be allowed by name');

/** The same for a node, which can also ask for a PIN. */
export const NodeAccess = z
  .enum(['loopback', 'trusted-lan', 'pin'])
  .describe(
    '`loopback`: this machine alone; `trusted-lan`: everybody on the network may do everything; `pin`: HTTP needs the PIN of the rig (MQTT does not ask yet)',
  );
export type NodeAccess = z.infer<typeof NodeAccess>;

/** Names of the network's own, by which an HTTP server may be called. */
export const HostNames = z
  .array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'must be a host name in lower case, without port'))
  .default([])
  .describe(
    'Names this server is called by, also by other machines; addresses, `localhost`, `*.local` and names without a dot need not be listed',
  );

const PinHash = z
  .string()
  .regex(
    /^\$argon2id\$v=19\$m=\d{4,7},t=\d{1,2},p=\d\$[A-Za-z0-9+/]{16,}\$[A-Za-z0-9+/]{22,}$/,
    'must be a line of `./touchline rig pin`',
  )
  .meta({ secret: true });

export const NodeConfig = z
  .strictObject({
    version: z.literal(1).describe('Version of this file: 1'),
    rig: RigId.describe('The rig this node belongs to'),
    camera_id: CameraId.describe('Identity of this node'),
    position: Position,
    cameras: z
      .array(CameraId)
      .min(1)
      .default(['CAM_L', 'CAM_C', 'CAM_R'])
      .describe('Cameras that record together'),
    access: NodeAccess.default('loopback'),
    storage: z
      .strictObject({
        path: z.string().min(1).default('/mnt/nvme').describe('Mount point of the recording disk'),
      })
      .prefault({}),
    camera: CameraConfig,
    recording: z
      .strictObject({
        expected_duration_min: z
          .int()
          .min(1)
          .max(1440)
          .default(110)
          .describe('Minutes a start must have room for'),
        max_duration_min: z
          .int()
          .min(1)
          .max(1440)
          .default(180)
          .describe('A session ends by itself after this'),
        queue_mib: z
          .int()
          .min(4)
          .max(1024)
          .default(64)
          .describe('Room between camera and disk before it is a disk fault'),
        sync_interval_ms: z
          .int()
          .min(50)
          .max(500)
          .default(250)
          .describe('Written data reaches the disk this often'),
        free_warn_percent: z
          .number()
          .min(0)
          .max(100)
          .default(15)
          .describe('With less of the disk free, a start warns'),
        free_block_percent: z
          .number()
          .min(0)
          .max(100)
          .default(10)
          .describe('With less of the disk free, a start has to be asked twice'),
        pre_roll_sec: z.int().min(0).max(60).default(15).describe('Kept while armed'),
        armed_min: z.number().min(0.01).max(240).default(30).describe('Arming expires after this'),
      })
      .prefault({}),
    audio: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Whether recordings have an audio track'),
        device: z.string().min(1).default('default').describe('ALSA capture device'),
        channels: z.int().min(1).max(2).default(1).describe('1: mono, 2: stereo'),
      })
      .prefault({}),
    sensors: SensorsConfig.prefault({}),
    power: z
      .strictObject({
        off: z
          .enum(['none', 'logind'])
          .default('none')
          .describe(
            '`logind`: a shutdown powers the machine off through the host (D-Bus); `none`: it is refused',
          ),
      })
      .prefault({}),
    signals: SignalsConfig.prefault({}),
    network: NetworkConfig.prefault({}),
    updates: UpdatesConfig.prefault({}),
    preview: z
      .strictObject({
        off_above_cpu_percent: z.number().min(10).max(100).default(85).describe('For 10 s'),
        on_below_cpu_percent: z.number().min(5).max(100).default(70).describe('For 60 s'),
      })
      .prefault({}),
    sync: z
      .strictObject({
        master: CameraId.default('CAM_C').describe('The node whose clock the rig follows'),
        start_lead_ms: z
          .int()
          .min(200)
          .max(10_000)
          .default(1500)
          .describe('From the barrier to the start instant'),
        ready_timeout_ms: z
          .int()
          .min(100)
          .max(10_000)
          .default(1000)
          .describe('A node silent for longer is reported'),
        master_timeout_ms: z
          .int()
          .min(100)
          .max(5000)
          .default(500)
          .describe('A master silent for longer is replaced'),
        exchange_host: z
          .string()
          .default('127.0.0.1')
          .describe('Address that the exchange of time between the nodes listens on'),
        exchange_port: port.default(7123).describe('Its UDP port'),
        clock: z
          .enum(['system', 'chronyd'])
          .default('system')
          .describe(
            '`system`: the clock is left to the operating system; `chronyd`: sync-agent runs its own chronyd and takes the clock over',
          ),
        chronyd: z
          .strictObject({
            port: port.default(123).describe('NTP port, the same on all nodes'),
            upstream: z
              .array(z.string().min(1).max(253))
              .max(8)
              .default([])
              .describe('NTP servers to follow when they are there'),
            gnss_device: z
              .string()
              .regex(/^\/dev\/[A-Za-z0-9_./:-]+$/, 'must be a path below /dev')
              .optional()
              .describe('Serial port of a GNSS receiver that speaks NMEA'),
            gnss_baud: z.int().min(4800).max(921_600).default(9600).describe('Speed of that port, baud'),
            pps_device: z
              .string()
              .regex(/^\/dev\/pps\d+$/, 'must be /dev/pps and a number')
              .optional()
              .describe('Pulse per second of that receiver'),
            host_unit: z
              .string()
              .regex(/^[A-Za-z0-9_.@-]+\.service$/, 'must be the name of a systemd service')
              .optional()
              .describe(
                'Unit of the host that owns the clock, stopped while sync-agent runs: chronyd.service',
              ),
          })
          .prefault({}),
        beep: z
          .strictObject({
            enabled: z.boolean().default(false).describe('The master sounds a beep at the start instant'),
            device: z.string().min(1).default('default').describe('ALSA playback device'),
          })
          .prefault({}),
      })
      .prefault({}),
    broker: z
      .strictObject({
        host: z.string().default('127.0.0.1').describe('Address the broker listens on'),
        port: port.default(1883).describe('MQTT port'),
        peers: z
          .array(Peer)
          .default([])
          .describe(
            'Brokers of the other nodes: camera_id, host and port (1883) of each; with network.discovery those left out are found',
          ),
        central: z
          .strictObject({
            host: z.string().min(1).describe('Address of the central server'),
            port: port.default(1884).describe('Its MQTT port'),
          })
          .optional()
          .describe('Broker of the central server'),
        queue_messages: z.int().min(10).max(100_000).default(1000).describe('Kept for a link that is down'),
      })
      .prefault({}),
    api: z
      .strictObject({
        host: z.string().default('127.0.0.1').describe('Address that the dashboard and HTTP listen on'),
        port: port.default(8080).describe('HTTP port'),
        names: HostNames,
        rig_key: z
          .string()
          .min(32)
          .max(128)
          .optional()
          .describe(
            'Secret that all nodes of the rig share, to show each other their pictures and recordings',
          )
          .meta({ secret: true }),
        pin_hash: PinHash.optional().describe('Hash of the PIN of operators'),
        viewer_pin_hash: PinHash.optional().describe('Hash of a PIN for those who only look'),
      })
      .prefault({}),
    offload: z
      .strictObject({
        server_url: z
          .url()
          .optional()
          .describe('Address of the central server, such as http://192.168.1.10:8081'),
        auto_upload: z
          .boolean()
          .default(false)
          .describe('Bring home what is not offloaded whenever the server is there'),
        upload_on_record_stop: z
          .boolean()
          .default(false)
          .describe('Bring a recording home when it has ended'),
        retry_count: z.int().min(1).max(20).default(5).describe('Tries before an upload counts as failed'),
        retry_delay_sec: z.number().min(0.01).max(600).default(5).describe('First pause; doubles each time'),
        verify_checksum: z.boolean().default(true).describe('Hash the file again before it is sent'),
        delete_after_confirm: z
          .boolean()
          .default(false)
          .describe(
            'Delete a recording here as soon as it is offloaded and its session is over; otherwise when less than free_warn_percent of the disk is free',
          ),
        bandwidth_limit_mbps: z
          .number()
          .min(0.1)
          .max(100_000)
          .optional()
          .describe('Mbit/s; unlimited when left out'),
      })
      .prefault({}),
    runtime_dir: z.string().min(1).default('/run/touchline').describe('Unix sockets of the services'),
    state_dir: z
      .string()
      .min(1)
      .default('/var/lib/touchline')
      .describe('What the services keep beside recordings'),
    log_level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug'])
      .default('info')
      .describe('What is logged at least'),
  })
  .superRefine((config, context) => {
    if (!config.cameras.includes(config.camera_id))
      context.addIssue({
        code: 'custom',
        path: ['cameras'],
        message: `must contain this node's ${config.camera_id}`,
      });
    if (!config.cameras.includes(config.sync.master))
      context.addIssue({ code: 'custom', path: ['sync', 'master'], message: 'must be one of cameras' });
    if (new Set(config.cameras).size !== config.cameras.length)
      context.addIssue({ code: 'custom', path: ['cameras'], message: 'names a camera twice' });
    if (config.recording.free_block_percent > config.recording.free_warn_percent)
      context.addIssue({
        code: 'custom',
        path: ['recording', 'free_block_percent'],
        message: 'must not be above free_warn_percent',
      });
    const missing = (field: string, command: string): void =>
      context.addIssue({
        code: 'custom',
        path: ['api', field],
        message: `must be set when access is "pin"; \`./touchline rig ${command}\` makes one`,
      });
    if (config.access === 'pin' && config.api.pin_hash === undefined) missing('pin_hash', 'pin');
    // Without it the nodes could not show each other's pictures.
    const hasPeers = config.broker.peers.length > 0 || config.network.discovery !== 'none';
    if (config.access === 'pin' && hasPeers && config.api.rig_key === undefined) missing('rig_key', 'key');
    refuseOpenListeners(
      config.access,
      {
        'broker.host': config.broker.host,
        'api.host': config.api.host,
        'sync.exchange_host': config.sync.exchange_host,
      },
      context,
      '"pin" or "trusted-lan"',
    );
  })
  .describe('Configuration of a camera node');
export type NodeConfig = z.infer<typeof NodeConfig>;

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** Without leave to do so, nothing listens beyond loopback. */
export function refuseOpenListeners(
  access: NodeAccess,
  hosts: Readonly<Record<string, string>>,
  context: z.RefinementCtx,
  allowing = '"trusted-lan"',
): void {
  for (const [setting, host] of Object.entries(hosts))
    if (access === 'loopback' && !isLoopback(host))
      context.addIssue({
        code: 'custom',
        path: ['access'],
        message: `must be ${allowing} when ${setting} is ${host || 'empty'}; or set ${setting} to 127.0.0.1`,
      });
}
