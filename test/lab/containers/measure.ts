import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../machine/run.ts';
import type { Engine } from './engine.ts';

const KIB = 1024;

/** Bytes as MiB, to a tenth. */
export const mib = (bytes: number): number => Math.round((bytes / KIB ** 2) * 10) / 10;

/** A layer of an image on disk: the same files on another layer below are another one. */
export interface Layer {
  /** Hash of what is in it: what a registry or a device that has it does not fetch again. */
  readonly content: string;
  /** Bytes of its files, unpacked. */
  readonly bytes: number;
  /** Folder with what it changes. */
  readonly folder: string;
}

/** Layers of an image as an engine keeps them in `data` (overlay2), from the base up, by the hash of each with all below it. */
export async function readImage(engine: Engine, data: string, name: string): Promise<Map<string, Layer>> {
  const [image] = JSON.parse(await engine.run('docker', 'image', 'inspect', name)) as {
    RootFS: { Layers: string[] };
  }[];
  if (image === undefined) throw new Error(`${name}: no such image`);
  const layers = new Map<string, Layer>();
  let chain = '';
  for (const content of image.RootFS.Layers) {
    // OCI image specification, "Layer ChainID".
    chain =
      chain === '' ? content : `sha256:${createHash('sha256').update(`${chain} ${content}`).digest('hex')}`;
    const folder = join(data, 'image/overlay2/layerdb', chain.replace(':', '/'));
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8').trim();
    layers.set(chain, {
      content,
      bytes: Number(read('size')),
      folder: join(data, 'overlay2', read('cache-id'), 'diff'),
    });
  }
  return layers;
}

/** Bytes of images together on one disk: what they share is there once. */
export function sizeOf(images: Iterable<ReadonlyMap<string, Layer>>): number {
  const all = new Map<string, Layer>();
  for (const image of images) for (const [chain, layer] of image) all.set(chain, layer);
  return [...all.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Layers of the images of a release whose content none of the release before has, each once. */
export function changedLayers(
  before: Iterable<ReadonlyMap<string, Layer>>,
  after: Iterable<ReadonlyMap<string, Layer>>,
): Layer[] {
  const known = new Set<string>();
  for (const image of before) for (const { content } of image.values()) known.add(content);
  const changed = new Map<string, Layer>();
  for (const image of after)
    for (const layer of image.values()) if (!known.has(layer.content)) changed.set(layer.content, layer);
  return [...changed.values()];
}

/** Bytes of a layer as registries send it. */
export async function packedSize(layer: Layer): Promise<number> {
  const { stdout } = await run('sh', ['-c', 'tar -C "$1" -c . | gzip -6 | wc -c', 'sh', layer.folder]);
  return Number(stdout);
}

/** Proportional set size of processes: memory that is shared counts in part. Those that ended meanwhile count nothing. */
export function pssBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (readPss(pid) ?? 0), 0);
}

function readPss(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * KIB;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
