import type { CommandKey } from './commands.ts';
import { COMMANDS } from './commands.ts';
import type { EventName } from './events.ts';
import type { CameraId, RigId } from './ids.ts';
import type { StatefulService } from './states.ts';

/** The topic tree. No other file spells a topic. */

const ROOT = 'touchline';

/** Topic level that reaches every node of a rig. */
export const ALL_NODES = 'all';

export const topics = {
  session: (rig: RigId) => `${ROOT}/${rig}/session`,
  node: (rig: RigId, node: string) => `${ROOT}/${rig}/${node}`,
  availability: (rig: RigId, node: CameraId) => `${ROOT}/${rig}/${node}/availability`,
  status: (rig: RigId, node: CameraId) => `${ROOT}/${rig}/${node}/status`,
  state: (rig: RigId, node: CameraId, service: StatefulService) => `${ROOT}/${rig}/${node}/${service}/state`,
  event: (rig: RigId, node: CameraId, name: EventName) => `${ROOT}/${rig}/${node}/event/${name}`,
  command: (rig: RigId, node: string, command: CommandKey) =>
    `${ROOT}/${rig}/${node}/cmd/${COMMANDS[command].service}/${COMMANDS[command].name}`,
  reply: (rig: RigId, node: CameraId, id: string) => `${ROOT}/${rig}/${node}/reply/${id}`,
} as const;

/** Subscription filters; `+` stands for any node. */
export const filters = {
  anyRigSession: `${ROOT}/+/session`,
  anyStatus: `${ROOT}/+/+/status`,
  anyAvailability: `${ROOT}/+/+/availability`,
  everything: `${ROOT}/#`,
  statuses: (rig: RigId) => `${ROOT}/${rig}/+/status`,
  availabilities: (rig: RigId) => `${ROOT}/${rig}/+/availability`,
  states: (rig: RigId, service: StatefulService) => `${ROOT}/${rig}/+/${service}/state`,
  events: (rig: RigId) => `${ROOT}/${rig}/+/event/#`,
  replies: (rig: RigId, node: string) => `${ROOT}/${rig}/${node}/reply/+`,
  commands: (rig: RigId, node: string) => `${ROOT}/${rig}/${node}/cmd/#`,
  serviceCommands: (rig: RigId, node: string, service: string) => `${ROOT}/${rig}/${node}/cmd/${service}/+`,
  /** What a node says about itself: what a bridge carries to others. */
  ownOutput: (rig: RigId, node: CameraId) => [
    `${ROOT}/${rig}/${node}/availability`,
    `${ROOT}/${rig}/${node}/status`,
    `${ROOT}/${rig}/${node}/+/state`,
    `${ROOT}/${rig}/${node}/event/#`,
    `${ROOT}/${rig}/${node}/reply/+`,
  ],
} as const;

export interface TopicParts {
  rig: string;
  node: string;
  rest: string[];
}

/** `touchline/{rig}/{node}/…` in parts, or undefined for anything else. */
export function parseTopic(topic: string): TopicParts | undefined {
  const [root, rig, node, ...rest] = topic.split('/');
  if (root !== ROOT || rig === undefined || node === undefined) return undefined;
  return { rig, node, rest };
}

/** Whether what a node says on a topic is retained: availability, status and states are; events and replies are not. */
export function isRetainedTopic(topic: string): boolean {
  const rest = parseTopic(topic)?.rest ?? [];
  const [first, second] = rest;
  if (rest.length === 1) return first === 'availability' || first === 'status';
  // A reply may have the id "state".
  return rest.length === 2 && second === 'state' && first !== 'reply';
}

/** Whether a topic carries commands, known or unknown. */
export function isCommandTopic(topic: string): boolean {
  return parseTopic(topic)?.rest[0] === 'cmd';
}

/** The command a topic asks for, or undefined. */
export function commandOfTopic(parts: TopicParts): CommandKey | undefined {
  const [cmd, service, name, ...more] = parts.rest;
  if (cmd !== 'cmd' || more.length > 0) return undefined;
  return (Object.keys(COMMANDS) as CommandKey[]).find(
    (key) => COMMANDS[key].service === service && COMMANDS[key].name === name,
  );
}
