import { COMMANDS, NO_COMMAND_ID } from '#contracts/commands.ts';
import { ERRORS } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import { socketCommandRoute } from '#contracts/routes.ts';
import { ALL_NODES, topics } from '#contracts/topics.ts';
import { centralHttpRoutes, nodeHttpRoutes, type Route } from './http-routes.ts';
import {
  commandKeys,
  eventNames,
  type JsonSchema,
  jsonSchemas,
  schemaName,
  statefulServices,
} from './schemas.ts';

const RIG = '{rig}';
const NODE = '{node}' as CameraId;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const code = (text: string): string => `\`${text}\``;
const schemaLink = (name: string): string => `[${name}](schemas/${name}.json)`;

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function topicsSection(): string {
  return table(
    ['topic', 'retained', 'written by', 'payload'],
    [
      [
        code(topics.availability(RIG, NODE)),
        'yes',
        'broker; last will `offline`',
        schemaLink('availability'),
      ],
      [code(topics.status(RIG, NODE)), 'yes', 'api', schemaLink('node-status')],
      ...statefulServices.map((service) => [
        code(topics.state(RIG, NODE, service)),
        'yes',
        service === 'broker' ? service : `${service}; last will ${schemaLink('state-offline')}`,
        schemaLink(schemaName.state(service)),
      ]),
      [code(topics.session(RIG)), 'yes', 'sync-agent of the conductor', schemaLink('rig-session')],
      ...eventNames.map((name) => [
        code(topics.event(RIG, NODE, name)),
        'no',
        'the service it happened in',
        schemaLink(schemaName.event(name)),
      ]),
      ...commandKeys.map((key) => [
        code(topics.command(RIG, NODE, key)),
        'never',
        'whoever asks',
        schemaLink(schemaName.commandInput(key)),
      ]),
      [
        code(topics.reply(RIG, NODE, '{id}')),
        'no',
        'the service that was asked',
        schemaLink('command-reply'),
      ],
    ],
  );
}

/** The keywords of JSON Schema that the tables show. */
interface Described {
  readonly type?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly allOf?: readonly Described[];
  readonly oneOf?: readonly Described[];
  readonly anyOf?: readonly Described[];
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly about: string;
}

/** Fields of an object schema; those of alternatives and intersections together. */
function fieldsOf(schema: Described = {}): Field[] {
  const parts = [...(schema.allOf ?? []), ...(schema.oneOf ?? schema.anyOf ?? [])];
  const own = Object.entries(schema.properties ?? {}).map(([name, field]) => ({
    name,
    type: typeOf(field),
    required: schema.required?.includes(name) ?? false,
    about: field.description ?? '',
  }));
  const merged = new Map<string, Field>();
  for (const field of [...own, ...parts.flatMap((part) => fieldsOf(part))]) {
    const known = merged.get(field.name);
    if (!known) merged.set(field.name, field);
    else if (known.type !== field.type)
      merged.set(field.name, { ...known, type: `${known.type} or ${field.type}` });
  }
  return [...merged.values()];
}

function typeOf(field: Described): string {
  if (field.const !== undefined) return JSON.stringify(field.const);
  if (field.enum) return field.enum.map((each) => JSON.stringify(each)).join(' or ');
  return typeof field.type === 'string' ? field.type : 'any';
}

function commandsSection(schemas: Map<string, JsonSchema>): string {
  return commandKeys
    .map((key) => {
      const { service, name, about, ttlMs, rigWide } = COMMANDS[key];
      const fields = fieldsOf(schemas.get(schemaName.commandInput(key)));
      return [
        `### ${service}/${name}`,
        about,
        `Time to live ${ttlMs / 1000} s. ${rigWide ? 'A rig command: links carry it to other nodes.' : 'Stays on its node: links between nodes do not carry it.'} Answer: ${schemaLink(schemaName.commandResult(key))}.`,
        table(
          ['field', 'type', 'required', 'meaning'],
          fields.map((field) => [code(field.name), field.type, field.required ? 'yes' : '', field.about]),
        ),
      ].join('\n\n');
    })
    .join('\n\n');
}

function routesTable(routes: Route[]): string {
  return table(
    ['method', 'path', 'what', 'answers'],
    routes.map(({ method, path, about, statuses }) => [method, code(path), about, statuses.join(', ')]),
  );
}

function errorsSection(): string {
  return table(
    ['code', 'status', 'blame', 'meaning', 'remedy'],
    Object.entries(ERRORS).map(([name, { status, blame, meaning, remedy }]) => [
      code(name),
      String(status),
      blame,
      meaning,
      remedy,
    ]),
  );
}

/** The page about everything that crosses a process, made from the contracts and from the servers' own routes. */
export async function protocolsPage(): Promise<string> {
  const schemas = jsonSchemas();
  const [node, central] = [await nodeHttpRoutes(), await centralHttpRoutes()];
  return `# Protocols

Generated from \`contracts/\` by \`node tools/docs/main.ts\`. Change the contracts, not this page.

Payloads are JSON with \`v: 1\`. Within a version things are only added; readers drop what they do not know. Times are
RFC 3339 UTC with microseconds. \`{rig}\` and \`{node}\` (a camera id) are opaque.

## MQTT topics

MQTT 3.1.1, QoS 1. Links between brokers: see [services/broker](../services/broker/README.md).

${topicsSection()}

## Commands

A command is published to \`${topics.node(RIG, NODE)}/cmd/{service}/{name}\`, never retained, and answered on
\`${topics.reply(RIG, NODE, '{id}')}\` (${schemaLink('command-reply')}).

- It runs at most once per \`id\`: within an hour, in one run of the service, the same \`id\` gets the reply of the first.
  An \`id\` that was used for another command of the service is refused with \`conflict\`.
- After \`expires_at\` it is refused with \`command_expired\`, unless the clock of the node was never set. Links and
  brokers never keep a command for later, so one without \`expires_at\` does not arrive late either.
- A retained one is refused with \`command_retained\` and taken back.
- One without an \`id\` that can be used is answered on \`${topics.reply(RIG, NODE, NO_COMMAND_ID)}\`.
- \`${ALL_NODES}\` in place of \`{node}\` reaches every node of the rig; each answers below its own name.
- Without a broker: \`POST ${socketCommandRoute}\` on \`{runtime_dir}/{service}.sock\` takes the same JSON and answers the
  same reply, an error with its HTTP status.

${commandsSection(schemas)}

## Events

${table(
  ['event', 'fields'],
  eventNames.map((name) => [
    schemaLink(schemaName.event(name)).replace(schemaName.event(name), name),
    fieldsOf(schemas.get(schemaName.event(name)))
      .map((field) => code(field.name))
      .join(', '),
  ]),
)}

## HTTP of a node

Errors are problem documents (RFC 9457): ${schemaLink('problem')}. The OpenAPI document is served by each server.

${routesTable(node)}

## HTTP of central

${routesTable(central)}

## Error codes

The same on HTTP and MQTT: ${schemaLink('error')}. \`blame\` says who can do something about it.

${errorsSection()}

## Files and configuration

${table(
  ['what', 'schema'],
  [
    ['Manifest 1.0', schemaLink('manifest')],
    ['Manifest as Touchline writes it', schemaLink('manifest-touchline')],
    ['One row of a timeline', schemaLink('timeline-row')],
    ['One moment, a line of `marks.jsonl`', schemaLink('mark')],
    ['Journal of a file that is being written', schemaLink('journal')],
    ['Configuration of a node', schemaLink('node-config')],
    ['Configuration of the central server', schemaLink('server-config')],
  ],
)}
`;
}
