import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { BOOT_FILES, type RigCamera } from '#contracts/rig-description.ts';
import { blockMap } from '#domain/provisioning/bmap.ts';
import { bootFiles, deviceConfigJson, hostName, variablesOf } from '#domain/provisioning/device-files.ts';
import { mergeLayers, type Recipe } from '#domain/provisioning/recipe.ts';
import { SOFTWARE_VERSION } from '#runtime/version.ts';
import { type Shell, say } from '../shell.ts';
import { type BaseImage, openBaseImage } from './base-image.ts';
import { listBootFolder, readBootFiles, sha256Of, writeBootFiles } from './boot-partition.ts';
import { readChecksums } from './checksums.ts';
import { layersOf, type Rig, readRig } from './layers.ts';
import { nodeConfigOf } from './node-config.ts';
import { compileOverlay } from './overlays.ts';
import { startProgress } from './progress.ts';
import { provenanceOf } from './provenance.ts';
import { sheetPdf } from './sheet.ts';
import { writeSparse } from './sparse-copy.ts';

/** One image per camera, from a balenaOS image and the description of a rig. */

export interface BuiltImage {
  readonly camera_id: string;
  readonly image: string;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly bmap: string;
  readonly sheet: string;
  readonly variables: string;
}

const READ_BYTES = 1024 * 1024;

interface BuildOptions {
  readonly base: string;
  readonly rigFile: string;
  readonly out: string;
  /** Only these cameras; all when left out. */
  readonly cameras?: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/**
 * Builds the images and what belongs to each: block map, SHA-256, sheet, variables for balena. The same input gives the same bytes. A file has
 * its name only when it is whole. Throws what `readRig`, `openBaseImage` and the parts below throw; nothing half-done is left.
 */
export async function buildImages(shell: Shell, options: BuildOptions): Promise<BuiltImage[]> {
  const { signal } = options;
  const rig = await readRig(options.rigFile);
  const chosen = chosenCameras(rig, options.cameras);
  // What is wrong with the description shows before an image of some GiB is unpacked.
  const plans = await Promise.all(chosen.map((camera) => planOf(shell, rig, camera)));
  refuseSharedIdentity(plans);
  await mkdir(options.out, { recursive: true });
  const work = await mkdtemp(join(options.out, '.touchline-image-'));
  try {
    const base = await openBaseImage(shell, options.base, work, { signal });
    if (base.deviceType !== undefined && base.deviceType !== rig.description.machine)
      throw new TouchlineError(
        'image_invalid',
        `${options.base}: is balenaOS for ${base.deviceType}, the rig has ${rig.description.machine}`,
        { field: 'base', remedy: `Download balenaOS for ${rig.description.machine}.` },
      );
    const built: BuiltImage[] = [];
    for (const plan of plans)
      built.push(await buildOne(shell, { rig, plan, base, work, out: options.out, signal }));
    return built;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function chosenCameras({ description }: Rig, names: readonly string[] | undefined): RigCamera[] {
  for (const name of names ?? [])
    if (!description.cameras.some(({ camera_id }) => camera_id === name))
      throw new TouchlineError(
        'invalid_field',
        `--camera ${name}: is not in the rig; there are ${description.cameras.map(({ camera_id }) => camera_id).join(', ')}`,
        { field: 'camera' },
      );
  return description.cameras.filter(({ camera_id }) => names === undefined || names.includes(camera_id));
}

interface Plan {
  readonly camera: RigCamera;
  readonly layers: readonly string[];
  readonly recipe: Recipe;
  readonly node: ReturnType<typeof nodeConfigOf>;
  readonly device: Readonly<Record<string, unknown>> | undefined;
  readonly deviceFile: string;
}

async function planOf(shell: Shell, rig: Rig, camera: RigCamera): Promise<Plan> {
  const layers = await layersOf(shell.root, rig, camera);
  const recipe = mergeLayers(layers);
  const deviceFile = camera.balena ?? `balena of ${camera.camera_id}`;
  const device =
    camera.balena === undefined ? undefined : await readDevice(resolve(rig.folder, camera.balena));
  // With an empty base: what rig and device say must not be refused only after the base is unpacked.
  deviceConfigJson({
    rig: rig.description,
    base: {},
    device,
    deviceFile,
    settings: recipe.config_json,
    removed: recipe.removed.config_json,
  });
  return {
    camera,
    layers: layers.map(({ layer }) => layer),
    recipe,
    node: nodeConfigOf(recipe.node, camera.camera_id),
    device,
    deviceFile,
  };
}

async function readDevice(file: string): Promise<Record<string, unknown>> {
  const invalid = (reason: string, cause?: unknown): TouchlineError =>
    new TouchlineError('configuration_invalid', `${file}: ${reason}`, {
      field: 'cameras.balena',
      cause,
      remedy:
        'Make it with: balena config generate --device UUID --version VERSION --network ethernet --output FILE.',
    });
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw invalid(`cannot be read (${cause.code})`, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid('is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('is not one JSON object');
  return value as Record<string, unknown>;
}

/** Two nodes with one identity would take turns in being the device of the fleet. */
function refuseSharedIdentity(plans: readonly Plan[]): void {
  for (const field of ['uuid', 'deviceApiKey'])
    for (const [index, plan] of plans.entries()) {
      const value = plan.device?.[field];
      const other = plans
        .slice(0, index)
        .find(({ device }) => value !== undefined && device?.[field] === value);
      if (other !== undefined)
        throw new TouchlineError(
          'configuration_invalid',
          `${plan.camera.camera_id} and ${other.camera.camera_id} have the same ${field}: each device has its own`,
          { field: 'cameras.balena' },
        );
    }
}

interface OneImage {
  readonly rig: Rig;
  readonly plan: Plan;
  readonly base: BaseImage;
  readonly work: string;
  readonly out: string;
  readonly signal: AbortSignal;
}

async function buildOne(shell: Shell, one: OneImage): Promise<BuiltImage> {
  const { rig, plan, base, work, out, signal } = one;
  const { camera } = plan;
  const name = `${rig.description.rig}-${camera.camera_id}`;
  const draft = join(work, `${name}.img`);
  await copyImage(shell, base, draft, `touchline: ${camera.camera_id}: copying`, signal);
  const { files, variables, uuid } = await filesOf(shell, one);
  await writeBootFiles(shell, draft, base.layout.boot, files);
  await verify(draft, base, files);

  const progress = startProgress(shell, `touchline: ${camera.camera_id}: checksums`, base.sizeBytes);
  const sums = await readChecksums(draft, base.layout, { signal, onBytes: progress.at });
  progress.end();
  const sheet = await sheetPdf({
    rig: rig.description.rig,
    cameraId: camera.camera_id,
    position: camera.position,
    hostName: hostName(rig.description, camera),
    pin: rig.secrets.pin,
    accessPointKey: rig.secrets.access_point_key,
    dashboard: dashboardOf(plan.node.config),
    homeNetworks: rig.description.network.home,
    hardware: rig.description.hardware,
    mode: rig.description.mode,
    uuid,
    image: { name: `${name}.img`, sha256: sums.sha256 },
  });
  const path = (ending: string): string => join(out, `${name}${ending}`);
  // The image last: whoever finds it finds all that belongs to it.
  await put(path('.pdf'), sheet);
  await put(path('.img.bmap'), blockMap(sums, sha256Of));
  await put(path('.img.sha256'), `${sums.sha256}  ${name}.img\n`);
  await put(path('.variables.json'), `${JSON.stringify(Object.fromEntries(variables), undefined, 2)}\n`);
  await rename(draft, path('.img'));
  say(shell, `touchline: ${camera.camera_id}: ${path('.img')}`);
  return {
    camera_id: camera.camera_id,
    image: path('.img'),
    sha256: sums.sha256,
    size_bytes: sums.sizeBytes,
    bmap: path('.img.bmap'),
    sheet: path('.pdf'),
    variables: path('.variables.json'),
  };
}

async function copyImage(
  shell: Shell,
  base: BaseImage,
  target: string,
  label: string,
  signal: AbortSignal,
): Promise<void> {
  const progress = startProgress(shell, label, base.sizeBytes);
  // Secrets will stand in it.
  const handle = await open(target, 'wx', 0o600);
  try {
    const source = createReadStream(base.path, { highWaterMark: READ_BYTES });
    await writeSparse(source, handle, { signal, onBytes: progress.at });
  } finally {
    await handle.close();
  }
  progress.end();
}

async function filesOf(shell: Shell, { rig, plan, base, work }: OneImage) {
  const { recipe, camera } = plan;
  const found = await readBootFiles(base.path, base.layout.boot, [
    'config.txt',
    'cmdline.txt',
    'config.json',
  ]);
  const configTxt = found.get('config.txt');
  if (configTxt === undefined)
    throw new TouchlineError(
      'image_invalid',
      'the boot partition has no config.txt: it is not for a Raspberry Pi',
      {
        field: 'base',
      },
    );
  const baseFiles = {
    configTxt: configTxt.toString(),
    cmdline: found.get('cmdline.txt')?.toString(),
    configJson: jsonOf(found.get('config.json')),
  };
  const configJson = deviceConfigJson({
    rig: rig.description,
    base: baseFiles.configJson,
    device: plan.device,
    deviceFile: plan.deviceFile,
    settings: recipe.config_json,
    removed: recipe.removed.config_json,
  });
  const texts = bootFiles({ recipe, base: baseFiles, configJson, nodeConfig: plan.node.text });
  const files = new Map<string, Buffer>([...texts].map(([path, text]) => [path, Buffer.from(text)]));
  const known = await listBootFolder(base.path, base.layout.boot, 'overlays');
  for (const { key, value, from } of recipe.config_txt) {
    if (key !== 'dtoverlay') continue;
    const overlay = value.split(',')[0] ?? '';
    if (overlay.startsWith('touchline-'))
      files.set(`overlays/${overlay}.dtbo`, await compileOverlay(shell, overlay, work));
    else if (!known.includes(`${overlay}.dtbo`))
      throw new TouchlineError(
        'configuration_invalid',
        `layer ${from}: the base image has no overlay ${overlay}, which ${camera.camera_id} needs`,
        {
          field: 'dtoverlay',
          remedy: 'Take a base image whose kernel has this driver, or another camera module.',
        },
      );
  }
  const provenance = provenanceOf({
    software: SOFTWARE_VERSION,
    base,
    rig: rig.description.rig,
    cameraId: camera.camera_id,
    mode: rig.description.mode,
    layers: plan.layers,
    recipe,
    files,
  });
  files.set(BOOT_FILES.provenance, Buffer.from(`${JSON.stringify(provenance, undefined, 2)}\n`));
  const uuid = typeof configJson.uuid === 'string' ? configJson.uuid : undefined;
  return { files, variables: variablesOf(texts), uuid };
}

function jsonOf(content: Buffer | undefined): Record<string, unknown> {
  if (content === undefined) return {};
  try {
    return JSON.parse(content.toString()) as Record<string, unknown>;
  } catch (cause) {
    throw new TouchlineError('image_invalid', 'config.json of the base image is not JSON', { cause });
  }
}

/** Reads back what was written, with other code than what wrote it. */
async function verify(image: string, base: BaseImage, files: ReadonlyMap<string, Buffer>): Promise<void> {
  const found = await readBootFiles(image, base.layout.boot, [...files.keys()]);
  for (const [path, content] of files)
    if (Buffer.compare(found.get(path) ?? Buffer.alloc(0), content) !== 0)
      throw new TouchlineError('image_invalid', `${path} does not read back as it was written`, {
        remedy: 'The boot partition of the base image is damaged: download it again.',
      });
}

/** Where the dashboard is for who has joined the Wi-Fi that this node opens. */
function dashboardOf({ network, api }: NodeConfig): string {
  return `http://${network.access_point.address.split('/')[0]}:${api.port}/`;
}

/** All or nothing, and for its owner alone. */
async function put(path: string, content: string | Buffer): Promise<void> {
  const draft = `${path}.partial`;
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, path);
}
