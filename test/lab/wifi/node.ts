import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Machine, startMachine, until } from './machines.ts';
import type { Said } from './said.ts';

/** A node of the rig in a machine of its own, and what it says. */
export interface RigNode {
  readonly camera: string;
  /** What it said last. */
  readonly now: Omit<Said, 'did' | 'result' | 'error'>;
  /** Modes it was in, in order. */
  readonly modes: readonly string[];
  /** Does it; throws with what it answers instead. */
  tell(command: 'start' | 'stop'): Promise<unknown>;
  cut(): Promise<void>;
}

export const KEYS = { home: 'goalkeeper-1', rig: 'half-time-tea' } as const;
export const HOME = 'CLUBHOUSE';
const MASTER = 'CAM_C';
const CAMERAS = { CAM_L: 'left', CAM_C: 'center', CAM_R: 'right' } as const;
const ANSWER_MS = 60_000;

/** Shorter than a device waits, so that the lab does not take all day. */
const PATIENCE = { join_timeout_sec: 15, takeover_sec: 30, look_home_sec: 12 } as const;

function configOf(camera: keyof typeof CAMERAS): object {
  return {
    version: 1,
    rig: 'lab',
    camera_id: camera,
    position: CAMERAS[camera],
    access: 'trusted-lan',
    camera: { source: 'file', path: '/host/film.mp4', bitrate_mbps: 1 },
    storage: { path: '/tmp/recordings' },
    // Its disk is memory.
    recording: { expected_duration_min: 1 },
    state_dir: '/tmp/state',
    runtime_dir: '/run/touchline',
    // Three whole nodes on one processor answer late.
    sync: {
      master: MASTER,
      exchange_host: '0.0.0.0',
      ready_timeout_ms: 10_000,
      master_timeout_ms: 5000,
      start_lead_ms: 10_000,
    },
    broker: { host: '0.0.0.0' },
    api: { host: '0.0.0.0' },
    network: {
      manager: 'networkmanager',
      discovery: 'mdns',
      home: [{ ssid: HOME, key: KEYS.home }],
      access_point: { key: KEYS.rig },
      ...PATIENCE,
    },
    log_level: 'info',
  };
}

export function startNode(
  camera: keyof typeof CAMERAS,
  radio: string,
  onLine: (line: string) => void,
): RigNode {
  const name = camera.toLowerCase().replace('_', '-');
  writeFileSync(`/host/${name}.yml`, JSON.stringify(configOf(camera)));
  const machine: Machine = startMachine({
    namespace: name,
    radio,
    machineId: camera.charCodeAt(4).toString(16).repeat(16),
    command: [
      'sh',
      '-c',
      `mkdir -p /tmp/recordings /tmp/state; CONFIG=/host/${name}.yml exec node /host/wifi-node.mjs 2>>/host/${name}.log`,
    ],
  });
  const { stdin, stdout } = machine.child;
  if (!stdin || !stdout) throw new Error('a machine was started without pipes');
  let now: RigNode['now'] = {};
  const modes: string[] = [];
  const answers: Said[] = [];
  createInterface(stdout).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const said = JSON.parse(line) as Said;
    if (said.did !== undefined) answers.push(said);
    else now = { ...now, ...said };
    const { network } = said;
    if (network && network.mode !== modes.at(-1)) {
      modes.push(network.mode);
      onLine(`${camera} ${network.mode}: ${network.reason}`);
    }
    if (said.did !== undefined) onLine(`${camera} ${line}`);
  });
  return {
    camera,
    get now() {
      return now;
    },
    modes,
    async tell(command) {
      answers.length = 0;
      stdin.write(`${command}\n`);
      await until(`${camera} to answer ${command}`, ANSWER_MS, () => answers.length > 0);
      const [answer] = answers;
      if (answer?.error !== undefined) throw new Error(`${camera} ${command}: ${answer.error}`);
      return answer?.result;
    },
    cut: () => machine.cut(),
  };
}
