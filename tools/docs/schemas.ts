import { z } from 'zod';
import { COMMANDS, CommandEnvelope, type CommandKey, CommandReply } from '#contracts/commands.ts';
import { Problem, WireError } from '#contracts/errors.ts';
import { EVENTS, type EventName } from '#contracts/events.ts';
import {
  CentralHealth,
  CentralSession,
  ConfirmRequest,
  ConfirmResult,
  Job,
  JobList,
  SessionList,
  UploadFields,
  UploadResult,
} from '#contracts/http-central.ts';
import { RecordingList, RigView } from '#contracts/http-node.ts';
import { Journal, Manifest, TimelineRow, TouchlineManifest } from '#contracts/manifest.ts';
import { Mark } from '#contracts/moments.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { FeedRelease, InstalledRelease, ReleaseManifest } from '#contracts/release.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { RigSession } from '#contracts/session.ts';
import {
  Availability,
  NodeStatus,
  OfflineState,
  SERVICE_STATES,
  type StatefulService,
} from '#contracts/states.ts';

export type JsonSchema = Record<string, unknown>;

/** What is sent to us is described as it is written, what we send as it is read. */
type Direction = 'input' | 'output';

export const commandKeys = Object.keys(COMMANDS) as CommandKey[];
export const eventNames = Object.keys(EVENTS) as EventName[];
export const statefulServices = Object.keys(SERVICE_STATES) as StatefulService[];

/** File names, without folder and extension, of schemas that come in families. */
export const schemaName = {
  state: (service: StatefulService) => `state-${service}`,
  event: (name: EventName) => `event-${name.replace('/', '-')}`,
  commandInput: (key: CommandKey) => `command-${COMMANDS[key].service}-${COMMANDS[key].name}`,
  commandResult: (key: CommandKey) => `command-${COMMANDS[key].service}-${COMMANDS[key].name}-result`,
} as const;

function commandBody(key: CommandKey): z.ZodType {
  const { input, about } = COMMANDS[key];
  return CommandEnvelope.and(input).describe(about);
}

const SCHEMAS: [name: string, schema: z.ZodType, direction: Direction][] = [
  ['manifest', Manifest, 'output'],
  ['manifest-touchline', TouchlineManifest, 'output'],
  ['timeline-row', TimelineRow, 'output'],
  ['mark', Mark, 'output'],
  ['journal', Journal, 'output'],
  ['availability', Availability, 'output'],
  ['node-status', NodeStatus, 'output'],
  ['state-offline', OfflineState.describe('Last will of a service'), 'output'],
  ...statefulServices.map((service): (typeof SCHEMAS)[number] => [
    schemaName.state(service),
    SERVICE_STATES[service],
    'output',
  ]),
  ['rig-session', RigSession, 'output'],
  ...eventNames.map((name): (typeof SCHEMAS)[number] => [schemaName.event(name), EVENTS[name], 'output']),
  ...commandKeys.flatMap((key): typeof SCHEMAS => [
    [schemaName.commandInput(key), commandBody(key), 'input'],
    [schemaName.commandResult(key), COMMANDS[key].output, 'output'],
  ]),
  ['command-reply', CommandReply, 'output'],
  ['error', WireError, 'output'],
  ['problem', Problem, 'output'],
  ['node-config', NodeConfig, 'input'],
  ['server-config', ServerConfig, 'input'],
  ['release-manifest', ReleaseManifest, 'output'],
  ['release-installed', InstalledRelease, 'output'],
  ['release-feed', FeedRelease.describe('What is read of a release in a feed'), 'input'],
  ['http-rig-view', RigView, 'output'],
  ['http-recording-list', RecordingList, 'output'],
  ['http-upload-fields', UploadFields, 'input'],
  ['http-upload-result', UploadResult, 'output'],
  ['http-confirm-request', ConfirmRequest, 'input'],
  ['http-confirm-result', ConfirmResult, 'output'],
  ['http-central-health', CentralHealth, 'output'],
  ['http-central-session', CentralSession, 'output'],
  ['http-session-list', SessionList, 'output'],
  ['http-job', Job, 'output'],
  ['http-job-list', JobList, 'output'],
];

export function toJsonSchema(schema: z.ZodType, direction: Direction): JsonSchema {
  return z.toJSONSchema(schema, { io: direction, unrepresentable: 'any' }) as JsonSchema;
}

/** All schemas by name. */
export function jsonSchemas(): Map<string, JsonSchema> {
  return new Map(
    SCHEMAS.map(([name, schema, direction]) => [name, { title: name, ...toJsonSchema(schema, direction) }]),
  );
}
