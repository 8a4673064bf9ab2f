import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LockFile } from './native-packages.ts';

/** A package that is in a release: its place in the lock file, and its name and version. */
export interface ShippedPackage {
  readonly path: string;
  readonly name: string;
  readonly version: string;
}

/** The packages of these places, in order. */
export function shippedPackages(lock: LockFile, paths: Iterable<string>): ShippedPackage[] {
  return [...new Set(paths)].sort().map((path) => {
    const version = lock.packages[path]?.version;
    if (version === undefined) throw new Error(`package-lock.json has no ${path}`);
    return { path, name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length), version };
  });
}

interface Bill {
  serialNumber?: string;
  metadata: { timestamp?: string; component: Record<string, unknown> };
  components: { 'bom-ref': string; scope?: string; properties?: unknown[] }[];
  dependencies: { ref: string; dependsOn?: string[] }[];
}

/**
 * What `npm sbom --sbom-format cyclonedx` says of the whole lock file, cut to what is shipped, and without what changes from one
 * run to the next. `atSec`: seconds since 1970. Throws when npm does not know a package that is shipped.
 */
export function billOfMaterials(
  ofNpm: string,
  shipped: readonly ShippedPackage[],
  product: { readonly version: string; readonly atSec: number },
): string {
  const bill = JSON.parse(ofNpm) as Bill;
  const refs = new Set(shipped.map(({ name, version }) => `${name}@${version}`));
  const components = bill.components.filter((each) => refs.has(each['bom-ref']));
  const known = new Set(components.map((each) => each['bom-ref']));
  const unknown = [...refs].find((ref) => !known.has(ref));
  if (unknown !== undefined) throw new Error(`npm sbom does not know ${unknown}, which is in the release`);
  const root = String(bill.metadata.component['bom-ref']);
  const own = `touchline@${product.version}`;
  const whole = {
    ...bill,
    metadata: {
      ...bill.metadata,
      timestamp: new Date(product.atSec * 1000).toISOString(),
      component: {
        ...bill.metadata.component,
        'bom-ref': own,
        type: 'application',
        name: 'touchline',
        version: product.version,
        purl: `pkg:npm/${own}`,
      },
    },
    // Some are there to build with, as far as npm knows: here all of them are in the bundles.
    components: components
      .map((each) => ({ ...each, scope: 'required', properties: [] }))
      .sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1)),
    dependencies: bill.dependencies
      .filter(({ ref }) => ref === root || refs.has(ref))
      .map(({ ref, dependsOn = [] }) => ({
        ref: ref === root ? own : ref,
        dependsOn: dependsOn.filter((each) => refs.has(each)).sort(),
      }))
      .sort((a, b) => (a.ref < b.ref ? -1 : 1)),
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify({ ...whole, serialNumber: '' }))}`;
  return `${JSON.stringify({ ...whole, serialNumber }, null, 2)}\n`;
}

/** RFC 9562, version 8: a hash of the contents, so that the same bill has the same number. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const LICENCE_FILES = '{LICEN[CS]E*,licen[cs]e*,Licen[cs]e*,COPYING*,NOTICE*}';

/** The licences of Touchline and of every package that is shipped, word for word as the packages bring them. `folders`: where to look for packages. */
export function licenceText(
  own: string,
  shipped: readonly ShippedPackage[],
  folders: readonly string[],
): string {
  const parts = shipped.map(({ path, name, version }) => {
    const folder = folders
      .map((each) => join(each, path))
      .find((each) => globSync('package.json', { cwd: each }).length > 0);
    if (folder === undefined)
      throw new Error(`${path} is shipped and not installed: its licence cannot be read`);
    const files = globSync(LICENCE_FILES, { cwd: folder }).sort();
    const { license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      license?: unknown;
    };
    const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
    return section(`${name} ${version} (${typeof license === 'string' ? license : 'see below'})`, [
      ...texts,
      ...(texts.length === 0 ? ['The package brings no text of its licence.'] : []),
    ]);
  });
  return [section('Touchline', [own.trim()]), ...parts].join('\n');
}

function section(title: string, texts: readonly string[]): string {
  return `${'='.repeat(78)}\n${title}\n${'='.repeat(78)}\n\n${texts.join('\n\n')}\n`;
}
