import type { RigView } from '#contracts/http-node.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { minutesText } from '../live/format.ts';

/** Power, heat and network of a camera, said to people. Pure. */

type Fact = readonly [string, string];
type RigNode = RigView['nodes'][number];

/** What a camera has been told to watch; nothing about what it has not. */
export function conditionFacts({ health, network, signals }: NodeStatus): Fact[] {
  const facts: Fact[] = [];
  const battery = health?.readings.battery;
  if (battery && battery.level !== 'not-fitted') facts.push(['Battery', batteryText(health)]);
  const temperature = health?.readings.temperature;
  if (temperature && temperature.level !== 'not-fitted') facts.push(['Processor', temperature.text]);
  if (network && network.mode !== 'unmanaged') facts.push(['Network', networkText(network)]);
  if (signals?.muted) facts.push(['Tones', 'muted']);
  return facts;
}

function batteryText({ battery, readings }: NonNullable<NodeStatus['health']>): string {
  if (!battery) return readings.battery?.text ?? 'unknown';
  const percent = `${Math.floor(battery.percent)} %`;
  if (battery.charging) return `${percent}, charging`;
  return battery.minutes_left === null ? percent : `${percent}, ${minutesText(battery.minutes_left)}`;
}

function networkText({ mode, ssid, signal_percent, stations }: NonNullable<NodeStatus['network']>): string {
  const strength = signal_percent === null ? '' : `, ${Math.round(signal_percent)} %`;
  switch (mode) {
    case 'home':
    case 'member':
      return `${ssid ?? 'Wi-Fi'}${strength}`;
    case 'wired':
      return 'by cable';
    case 'access-point':
      return `its own, ${ssid ?? ''}${stations === null ? '' : `: ${stations} on it`}`;
    case 'starting':
    case 'joining':
      return 'looking for one';
    case 'offline':
      return 'none';
    case 'unmanaged':
      return 'not its own';
  }
}

/** The network that a camera of the rig has opened: who reads this on a phone has no internet by it. */
export function rigNetwork(nodes: readonly RigNode[]): { camera: string; ssid: string } | undefined {
  for (const { camera_id, available, status } of nodes)
    if (available && status?.network?.mode === 'access-point' && status.network.ssid !== null)
      return { camera: camera_id, ssid: status.network.ssid };
  return undefined;
}
