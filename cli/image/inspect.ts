import { parse } from 'yaml';
import { TouchlineError } from '#contracts/errors.ts';
import { BOOT_FILES } from '#contracts/rig-description.ts';
import { hostConfigVariables } from '#domain/provisioning/config-txt.ts';
import { type ImageLayout, listBootFolder, readBootFiles, readLayout, sha256Of } from './boot-partition.ts';
import { ImageProvenance, masked } from './provenance.ts';

/** What is in an image, as it stands in the file. */

export interface Inspection {
  readonly layout: ImageLayout;
  /** Undefined for an image that was not made by this tool. */
  readonly provenance: ImageProvenance | undefined;
  /** Files that are not what the image was made with. */
  readonly changed: readonly string[];
  readonly configJson: unknown;
  readonly configTxt: string;
  readonly cmdline: string;
  readonly node: unknown;
  readonly connections: readonly string[];
  readonly overlays: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

/** Reads an image. Secrets come out masked. Throws `image_invalid`, `not_found`. */
export async function inspectImage(image: string): Promise<Inspection> {
  const layout = await readLayout(image).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof TouchlineError) throw error;
    throw new TouchlineError('not_found', `${image}: cannot be read (${error.code})`, {
      cause: error,
      field: 'image',
      remedy: 'Name the file of an image, not packed.',
    });
  });
  const read = async (paths: readonly string[]) => readBootFiles(image, layout.boot, paths);
  const files = await read([
    BOOT_FILES.provenance,
    'config.json',
    'config.txt',
    'cmdline.txt',
    BOOT_FILES.node,
  ]);
  const text = (path: string): string => files.get(path)?.toString() ?? '';
  const provenance = files.has(BOOT_FILES.provenance) ? provenanceIn(text(BOOT_FILES.provenance)) : undefined;
  const made = Object.entries(provenance?.files ?? {});
  const now = await read(made.map(([path]) => path));
  const list = async (folder: string): Promise<string[]> => listBootFolder(image, layout.boot, folder);
  return {
    layout,
    provenance,
    changed: made
      .filter(([path, sha256]) => {
        const content = now.get(path);
        return content === undefined || sha256Of(content) !== sha256;
      })
      .map(([path]) => path),
    configJson: masked(jsonIn(text('config.json'))),
    configTxt: text('config.txt'),
    cmdline: text('cmdline.txt').trim(),
    node: masked(yamlIn(text(BOOT_FILES.node))),
    connections: await list('system-connections'),
    overlays: (await list('overlays')).filter((name) => name.startsWith('touchline-')),
    variables: Object.fromEntries(hostConfigVariables(text('config.txt'))),
  };
}

function provenanceIn(text: string): ImageProvenance {
  const parsed = ImageProvenance.safeParse(jsonIn(text));
  if (!parsed.success)
    throw new TouchlineError('image_invalid', `${BOOT_FILES.provenance} in the image cannot be understood`, {
      cause: parsed.error,
      remedy: 'Inspect it with the version of the software that made it.',
    });
  return parsed.data;
}

function jsonIn(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    // Whatever it is, it is shown that it is not JSON, and the rest with it.
    return '(not JSON)';
  }
}

function yamlIn(text: string): unknown {
  try {
    return parse(text) ?? {};
  } catch {
    return '(not YAML)';
  }
}

const MIB = 1024 * 1024;

/** For people: partitions, then each value with the layer it came from. */
export function inspectionText(inspection: Inspection): string {
  const { layout, provenance } = inspection;
  const lines = [`${layout.table.toUpperCase()} partitions`];
  for (const { index, name, size } of layout.partitions)
    lines.push(`  ${index}  ${(name ?? '').padEnd(14)} ${(size / MIB).toFixed(1).padStart(9)} MiB`);
  if (provenance === undefined)
    lines.push('', 'Not made by ./touchline image build: nothing says where its values came from.');
  else {
    lines.push(
      '',
      `${provenance.camera_id} of ${provenance.rig}, ${provenance.mode}, made by Touchline ${provenance.software}`,
      `from an image with SHA-256 ${provenance.base.sha256}`,
      `layers, the lowest first: ${provenance.layers.join(', ')}`,
    );
    for (const [index, setting] of provenance.settings.entries()) {
      if (setting.section !== provenance.settings[index - 1]?.section) lines.push('', setting.section);
      const value = typeof setting.value === 'string' ? setting.value : JSON.stringify(setting.value);
      const over = setting.over.length === 0 ? '' : `, over ${setting.over.join(', ')}`;
      lines.push(`  ${setting.key} = ${value}`, `      from ${setting.from}${over}: ${setting.why}`);
    }
  }
  if (inspection.changed.length > 0)
    lines.push('', `Changed since it was made: ${inspection.changed.join(', ')}`);
  lines.push('', 'config.json', indented(JSON.stringify(inspection.configJson, undefined, 2)));
  lines.push('', 'config.txt', indented(inspection.configTxt.trim()));
  lines.push('', 'cmdline.txt', indented(inspection.cmdline));
  lines.push('', `overlays: ${inspection.overlays.join(', ') || 'none of Touchline'}`);
  lines.push(`connections: ${inspection.connections.join(', ') || 'none'}`);
  return `${lines.join('\n')}\n`;
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}
