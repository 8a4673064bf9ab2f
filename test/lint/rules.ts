import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { parseSync } from 'oxc-parser';

/** The rules of docs/architecture.md, as functions of one file: path from the root, and text. */

export interface Violation {
  readonly rule: string;
  readonly where: string;
  readonly what: string;
}

/** Which layers each layer may name through `#layer/`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  contracts: [],
  domain: ['contracts'],
  ports: ['contracts', 'domain', 'ports'],
  runtime: ['contracts', 'domain', 'ports'],
  services: ['contracts', 'domain', 'ports', 'runtime'],
  ota: ['contracts', 'domain', 'ports', 'runtime'],
  central: ['contracts', 'domain', 'ports', 'runtime'],
  ui: ['contracts', 'domain'],
  cli: ['contracts', 'domain', 'ports', 'runtime', 'services', 'ota', 'central'],
  tools: ['contracts', 'domain', 'ports', 'runtime', 'services', 'ota', 'central'],
  test: ['contracts', 'domain', 'ports', 'runtime', 'services', 'ota', 'central'],
};
export const LAYERS = Object.keys(MAY_IMPORT);
/** What runs on a device or a server; tests and tools are held to less. */
const PRODUCT = LAYERS.filter((layer) => layer !== 'test' && layer !== 'tools');
/** No I/O, no clock, no chance: what these compute depends on their arguments alone. */
const PURE = ['contracts', 'domain'];
const PURE_PACKAGES = ['zod'];
/** In these, each folder is a unit of its own. */
const SPLIT = ['ports', 'services', 'central'];
/** These put the other parts of central together. */
const COMPOSERS = ['central/server', 'central/worker'];

const MAIN_LINES_MAX = 40;
const LINES_MAX = 400;
const DRAWERS = /^(utils?|lib|libs|common|helpers?|misc|shared)$/;
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*$/;
const IMPURE_GLOBALS = [
  'process',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'performance',
  'crypto',
  'fetch',
];
const TOPIC_OR_ROUTE = /^touchline\/|\/api\/v1/;

export function checkFile(path: string, text: string): Violation[] {
  const found: Violation[] = [];
  const [layer = ''] = path.split('/');
  const add = (rule: string, what: string): void => void found.push({ rule, where: path, what });

  const parsed = parseSync(path, text);
  for (const error of parsed.errors) add('parses', error.message);
  if (!path.split('/').every((part) => KEBAB.test(part))) add('kebab-case', path);
  const drawer = path
    .split('/')
    .slice(0, -1)
    .find((part) => DRAWERS.test(part));
  if (drawer !== undefined) add('no-drawers', `folder ${drawer}`);
  const lines = text.trimEnd().split('\n').length;
  if (PRODUCT.includes(layer) && lines > LINES_MAX) add('file-size', `${lines} lines; ${LINES_MAX} at most`);
  if (posix.basename(path) === 'main.ts' && lines > MAIN_LINES_MAX)
    add('main-size', `${lines} lines; a main.ts has ${MAIN_LINES_MAX} at most`);

  for (const specifier of specifiers(parsed.module, text)) checkImport(path, layer, specifier, add);
  walk(parsed.program, (node, parent) => checkNode(node, parent, path, layer, add));
  return found;
}

/** Every module named: static imports and re-exports (types included) and `import()`. */
function specifiers(module: ReturnType<typeof parseSync>['module'], text: string): string[] {
  const names = module.staticImports.map((each) => each.moduleRequest.value);
  for (const { entries } of module.staticExports)
    for (const entry of entries) if (entry.moduleRequest) names.push(entry.moduleRequest.value);
  for (const { moduleRequest } of module.dynamicImports) {
    const raw = text.slice(moduleRequest.start, moduleRequest.end);
    if (/^(['"]).*\1$/.test(raw)) names.push(raw.slice(1, -1));
  }
  return names;
}

type Add = (rule: string, what: string) => void;

function checkImport(path: string, layer: string, specifier: string, add: Add): void {
  if (specifier.startsWith('.')) {
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    if (unitOf(target) !== unitOf(path) && !mayReach(path, target)) add('unit-boundary', specifier);
    if (!/\.(tsx?|mjs|json)$/.test(specifier)) add('extension', specifier);
    return;
  }
  if (specifier.startsWith('#')) {
    const [alias = ''] = specifier.slice(1).split('/');
    if (alias === 'package') {
      if (path !== 'runtime/version.ts') add('layer-boundary', `${specifier}: use #runtime/version.ts`);
    } else if (!MAY_IMPORT[layer]?.includes(alias)) add('layer-boundary', `${layer} names ${specifier}`);
    return;
  }
  if (isBuiltin(specifier) && !specifier.startsWith('node:')) add('node-prefix', specifier);
  if (specifier === 'node:process' && posix.basename(path) !== 'main.ts') add('process-access', specifier);
  if (PURE.includes(layer) && !PURE_PACKAGES.includes(specifier)) add('pure', `imports ${specifier}`);
}

/** `ports/clock/system-clock.ts` → `ports/clock`; a layer that is not split is one unit. */
function unitOf(path: string): string {
  const [layer = '', folder = '', file] = path.split('/');
  return SPLIT.includes(layer) && file !== undefined ? `${layer}/${folder}` : layer;
}

function mayReach(path: string, target: string): boolean {
  // cli, tools and ui have no alias, so that nothing in the product can name them; their tests reach them by path.
  if (path.startsWith('test/')) return /^(cli|tools|ui)\//.test(target);
  return (
    COMPOSERS.includes(unitOf(path)) && target.startsWith('central/') && !COMPOSERS.includes(unitOf(target))
  );
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

function checkNode(node: Node, parent: Node | undefined, path: string, layer: string, add: Add): void {
  const isMain = posix.basename(path) === 'main.ts';
  if (PURE.includes(layer)) checkPurity(node, parent, add);
  if (!PRODUCT.includes(layer)) return;
  const member = memberName(node);
  if (member === 'process.exit') add('no-exit', 'process.exit: set process.exitCode and let buffers flush');
  if (!isMain && (member === 'process.env' || member === 'process.argv' || member === 'process.cwd'))
    add('process-access', `${member}: only a main.ts reads it`);
  if (node.type === 'ExportDefaultDeclaration' && !path.endsWith('.d.ts'))
    add('named-exports', 'export default');
  // Conformance suites are tests that stand beside what they test.
  if (layer === 'contracts' || posix.basename(path) === 'conformance.ts') return;
  const literal =
    node.type === 'Literal'
      ? node.value
      : node.type === 'TemplateElement'
        ? (node.value as { raw: string }).raw
        : undefined;
  if (typeof literal === 'string' && TOPIC_OR_ROUTE.test(literal))
    add('no-wire-literals', `${JSON.stringify(literal)}: topics and routes come from contracts`);
}

function checkPurity(node: Node, parent: Node | undefined, add: Add): void {
  const member = memberName(node);
  if (member === 'Date.now' || member === 'Math.random') add('pure', member);
  const callee = node.callee as Node | undefined;
  const called = callee?.type === 'Identifier' ? callee.name : undefined;
  const count = (node.arguments as unknown[] | undefined)?.length ?? 0;
  if (called === 'Date' && (node.type === 'CallExpression' || (node.type === 'NewExpression' && count === 0)))
    add('pure', 'the time of now');
  if (node.type === 'Identifier' && IMPURE_GLOBALS.includes(node.name as string) && !isName(node, parent))
    add('pure', String(node.name));
}

/** Whether the identifier only names a key or a member, and refers to nothing. */
function isName(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined || parent.computed === true) return false;
  return (
    (parent.property === node && parent.object !== node) || (parent.key === node && parent.value !== node)
  );
}

/** `process.env` or `process['env']` → `process.env`. */
function memberName(node: Node): string | undefined {
  if (node.type !== 'MemberExpression') return undefined;
  const object = node.object as Node;
  const property = node.property as Node;
  const name = property.type === 'Literal' ? property.value : node.computed ? undefined : property.name;
  return object.type === 'Identifier' && typeof name === 'string' ? `${object.name}.${name}` : undefined;
}

function walk(value: unknown, visit: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  if (Array.isArray(value)) {
    for (const each of value) walk(each, visit, parent);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const node = value as Node;
  const isNode = typeof node.type === 'string';
  if (isNode) visit(node, parent);
  for (const key of Object.keys(node)) walk(node[key], visit, isNode ? node : parent);
}
