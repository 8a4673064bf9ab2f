import { RELEASE_ERRORS } from './release-error-table.ts';
import { UPDATE_ERRORS } from './update-error-table.ts';

/**
 * Every error that crosses a process has one code from this table. `blame` says who can do something about it:
 * the caller, a peer on the network, the device, or us. `remedy` tells a person what to do. Codes are never reused. Free of
 * schemas: browsers take it without the rest.
 */
export const ERRORS = {
  invalid_json: {
    status: 400,
    blame: 'caller',
    meaning: 'The body is not JSON.',
    remedy: 'Send one JSON object.',
  },
  invalid_field: {
    status: 400,
    blame: 'caller',
    meaning: 'A field is missing or has a value it cannot have.',
    remedy: 'Correct the field that is named.',
  },
  invalid_manifest: {
    status: 400,
    blame: 'caller',
    meaning: 'The manifest does not follow version 1.0.',
    remedy: 'Correct the field that is named.',
  },
  manifest_contradicts_file: {
    status: 400,
    blame: 'caller',
    meaning: 'The manifest says something else than the file shows.',
    remedy: 'Send the manifest that belongs to this file.',
  },
  session_required: {
    status: 401,
    blame: 'caller',
    meaning: 'Without a session only the traffic light is shown.',
    remedy: 'Enter the PIN of the rig.',
  },
  pin_wrong: {
    status: 401,
    blame: 'caller',
    meaning: 'The PIN is not that of the rig.',
    remedy: 'Ask whoever set the rig up; `./touchline rig pin` makes a new one.',
  },
  operator_required: {
    status: 403,
    blame: 'caller',
    meaning: 'A viewer may change nothing.',
    remedy: 'Open a session with the PIN of the operator.',
  },
  origin_refused: {
    status: 403,
    blame: 'caller',
    meaning: 'A page of another site asked for a change.',
    remedy: 'Use the page that this server shows itself.',
  },
  host_refused: {
    status: 421,
    blame: 'caller',
    meaning: 'The server was called by a name that is not its own.',
    remedy:
      'Use its address, such as http://127.0.0.1 with its port; or list the name under api.names (node) or server.names (central).',
  },
  not_found: {
    status: 404,
    blame: 'caller',
    meaning: 'There is no such thing.',
    remedy: 'Check the name; list what exists.',
  },
  command_unknown: {
    status: 404,
    blame: 'caller',
    meaning: 'This service has no such command.',
    remedy: 'See the list of commands.',
  },
  command_expired: {
    status: 408,
    blame: 'caller',
    meaning: 'The command was older than its time to live.',
    remedy: 'Send it again.',
  },
  command_retained: {
    status: 400,
    blame: 'caller',
    meaning: 'Commands are never retained.',
    remedy: 'Publish it without the retain flag.',
  },
  conflict: {
    status: 409,
    blame: 'caller',
    meaning: 'Something else is under way.',
    remedy: 'Wait until it has ended.',
  },
  already_recording: {
    status: 409,
    blame: 'caller',
    meaning: 'A recording is running.',
    remedy: 'Stop it first.',
  },
  not_recording: {
    status: 409,
    blame: 'caller',
    meaning: 'No recording is running.',
    remedy: 'Start one first.',
  },
  illegal_transition: {
    status: 409,
    blame: 'caller',
    meaning: 'The command does not fit the state the session is in.',
    remedy: 'See `details.state`.',
  },
  not_ready: {
    status: 409,
    blame: 'device',
    meaning: 'A gate refuses the start.',
    remedy: 'See `details.gates`; a soft gate can be overridden.',
  },
  no_camera_ready: {
    status: 409,
    blame: 'device',
    meaning: 'No camera of the rig can record.',
    remedy: 'See `details.cameras` for the reason of each.',
  },
  gates_closed: {
    status: 409,
    blame: 'device',
    meaning: 'Soft gates refuse the start.',
    remedy: 'Start again within 10 s, or with `override`, to record anyway; see `details.cameras`.',
  },
  upload_in_progress: {
    status: 409,
    blame: 'caller',
    meaning: 'The same part is being uploaded by somebody else.',
    remedy: 'Wait for that upload to end.',
  },
  payload_too_large: {
    status: 413,
    blame: 'caller',
    meaning: 'The body is larger than allowed.',
    remedy: 'Send less, or raise the limit in the configuration.',
  },
  not_mp4: {
    status: 415,
    blame: 'caller',
    meaning: 'The content is not an MP4 video.',
    remedy: 'Send the recording as it was written by the node.',
  },
  unsupported_media_type: {
    status: 415,
    blame: 'caller',
    meaning: 'This address does not take this content type.',
    remedy: 'See the documentation of the address.',
  },
  range_not_satisfiable: {
    status: 416,
    blame: 'caller',
    meaning: 'The file has no such bytes.',
    remedy: 'Ask for a range within its size.',
  },
  checksum_mismatch: {
    status: 422,
    blame: 'peer',
    meaning: 'The bytes received have another SHA-256 than announced.',
    remedy: 'Send the file again.',
  },
  rate_limited: {
    status: 429,
    blame: 'caller',
    meaning: 'Too many requests.',
    remedy: 'Wait and try again.',
  },
  insufficient_storage: {
    status: 507,
    blame: 'device',
    meaning: 'There is too little free space.',
    remedy: 'Free space; see `details`.',
  },
  configuration_invalid: {
    status: 422,
    blame: 'caller',
    meaning: 'The configuration has an unknown or impossible value.',
    remedy:
      'Correct what is named; `./touchline config explain` without a file (central: `--server`) lists every setting.',
  },
  program_missing: {
    status: 503,
    blame: 'device',
    meaning: 'A program that is needed is not installed.',
    remedy: 'Install the package that is named.',
  },
  camera_missing: {
    status: 503,
    blame: 'device',
    meaning: 'There is no camera.',
    remedy: 'Connect the camera; check its ribbon and the configuration.',
  },
  camera_failed: {
    status: 503,
    blame: 'device',
    meaning: 'The camera or its encoder stopped working.',
    remedy: 'See the reason; it is restarted by itself while recording.',
  },
  speaker_missing: {
    status: 503,
    blame: 'device',
    meaning: 'There is no such loudspeaker.',
    remedy: 'Connect it; `aplay -L` lists the names that sync.beep.device can have.',
  },
  speaker_failed: {
    status: 503,
    blame: 'device',
    meaning: 'The loudspeaker did not play.',
    remedy: 'See the reason; another program may be using the device.',
  },
  source_not_video: {
    status: 422,
    blame: 'caller',
    meaning: 'The file given as a camera has no video that ffmpeg can read.',
    remedy: 'Give a video file.',
  },
  disk_missing: {
    status: 503,
    blame: 'device',
    meaning: 'The recording disk is not there or cannot be written.',
    remedy: 'Check the disk and its mount point.',
  },
  disk_full: {
    status: 507,
    blame: 'device',
    meaning: 'The recording disk is full.',
    remedy: 'Offload recordings, then delete what is offloaded.',
  },
  disk_too_slow: {
    status: 503,
    blame: 'device',
    meaning: 'The disk does not take the data as fast as it comes.',
    remedy: 'Use a faster disk or a lower bitrate.',
  },
  disk_failed: {
    status: 503,
    blame: 'device',
    meaning: 'Reading or writing the disk failed.',
    remedy: 'See the reason; replace the disk if it persists.',
  },
  peer_silent: {
    status: 504,
    blame: 'peer',
    meaning: 'No answer in time.',
    remedy: 'Check that the device is on and reachable.',
  },
  broker_unreachable: {
    status: 503,
    blame: 'peer',
    meaning: 'The MQTT broker cannot be reached.',
    remedy: 'Check that the broker service runs.',
  },
  central_unreachable: {
    status: 503,
    blame: 'peer',
    meaning: 'The central server cannot be reached.',
    remedy: 'Check its address and the network; it is tried again by itself.',
  },
  database_unavailable: {
    status: 503,
    blame: 'device',
    meaning: 'The database cannot be used.',
    remedy: 'See the reason and the way out in `details`.',
  },
  job_failed: {
    status: 500,
    blame: 'us',
    meaning: 'A job ended with an error.',
    remedy: 'See its log; repeat it when the cause is gone.',
  },
  page_not_built: {
    status: 503,
    blame: 'device',
    meaning: 'The page of this server was not built; everything else works.',
    remedy: 'Run `./touchline build`, then load the page again.',
  },
  clock_disagreement: {
    status: 503,
    blame: 'device',
    meaning: 'Two sources of rig time contradict each other.',
    remedy: 'Restart the node whose offset is off when nothing records; see what its clock follows.',
  },
  clock_stepped: {
    status: 503,
    blame: 'device',
    meaning: 'The wall clock of a node was set while it should have run on.',
    remedy: 'Find out what sets it; recordings are timed by the monotonic clock and go on unharmed.',
  },
  clock_already_set: {
    status: 409,
    blame: 'caller',
    meaning: 'The clock is set already.',
    remedy: 'Nothing to do; a clock that is set follows its source by itself.',
  },
  clock_not_permitted: {
    status: 503,
    blame: 'device',
    meaning: 'This program may not control the clock.',
    remedy: 'Give it CAP_SYS_TIME (cap_add: SYS_TIME), or set sync.clock to system.',
  },
  time_daemon_failed: {
    status: 503,
    blame: 'device',
    meaning: 'The time daemon stopped working.',
    remedy: 'See the reason; it is started again by itself, and rig time goes on by the exchange.',
  },
  gnss_failed: {
    status: 503,
    blame: 'device',
    meaning: 'The GNSS receiver does not work.',
    remedy: 'Check its cable, sync.chronyd.gnss_device and sync.chronyd.gnss_baud.',
  },
  host_clock_refused: {
    status: 503,
    blame: 'device',
    meaning: 'The clock service of the host could not be stopped or started.',
    remedy: 'Check DBUS_SYSTEM_BUS_ADDRESS, the label io.balena.features.dbus and sync.chronyd.host_unit.',
  },
  panel_failed: {
    status: 503,
    blame: 'device',
    meaning: 'Button, LED or beeper cannot be used.',
    remedy: 'See the reason; check the wiring, the overlay touchline-signals and the section signals.',
  },
  sensor_failed: {
    status: 503,
    blame: 'device',
    meaning: 'A sensor that is configured gives no reading.',
    remedy: 'See the reason; check its cable and the section sensors, or set it to none.',
  },
  network_failed: {
    status: 503,
    blame: 'device',
    meaning: 'The network cannot be controlled.',
    remedy:
      'See the reason; check that NetworkManager runs and may be used (D-Bus), and the section network.',
  },
  discovery_failed: {
    status: 503,
    blame: 'device',
    meaning: 'Nodes cannot be announced or found by multicast DNS.',
    remedy: 'See the reason; another program may hold UDP port 5353. Peers can be listed under broker.peers.',
  },
  duplicate_node: {
    status: 409,
    blame: 'caller',
    meaning: 'Two machines say that they are the same camera of the rig.',
    remedy: 'Give one of them another camera_id; the machines are named in the message.',
  },
  power_refused: {
    status: 503,
    blame: 'device',
    meaning: 'The machine was not powered off.',
    remedy: 'Set power.off to logind where the node runs on a machine of its own; see the reason.',
  },
  ...UPDATE_ERRORS,
  image_invalid: {
    status: 422,
    blame: 'caller',
    meaning: 'The file is not an image of balenaOS that can be used.',
    remedy: 'Take balenaOS for a Raspberry Pi 5, as balena offers it for download.',
  },
  flash_refused: {
    status: 409,
    blame: 'caller',
    meaning: 'The disk was not written.',
    remedy: 'See the reason; `lsblk` lists the disks of this machine.',
  },
  ...RELEASE_ERRORS,
  preview_unavailable: {
    status: 503,
    blame: 'device',
    meaning: 'There is no picture of this camera now.',
    remedy: 'See the reason; the recording does not depend on it.',
  },
  shutting_down: {
    status: 503,
    blame: 'device',
    meaning: 'The service is stopping.',
    remedy: 'Try again in a moment.',
  },
  internal: {
    status: 500,
    blame: 'us',
    meaning: 'A defect in Touchline.',
    remedy: 'Report it with the log.',
  },
} as const satisfies Record<string, { status: number; blame: Blame; meaning: string; remedy: string }>;

export type Blame = 'caller' | 'peer' | 'device' | 'us';
export type ErrorCode = keyof typeof ERRORS;
