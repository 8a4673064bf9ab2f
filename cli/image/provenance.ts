import { z } from 'zod';
import { type Recipe, SECTIONS } from '#domain/provisioning/recipe.ts';
import { sha256Of } from './boot-partition.ts';
import { isSecretSetting } from './node-config.ts';

/** What an image carries about itself: where each value came from, and what its files were when it was made. */

const HIDDEN = '(secret)';

export const ImageProvenance = z.object({
  v: z.literal(1),
  software: z.string(),
  base: z.object({ sha256: z.string(), size_bytes: z.int() }),
  rig: z.string(),
  camera_id: z.string(),
  mode: z.string(),
  layers: z.array(z.string()),
  settings: z.array(
    z.object({
      section: z.enum(SECTIONS),
      key: z.string(),
      value: z.json(),
      from: z.string(),
      over: z.array(z.string()),
      why: z.string(),
    }),
  ),
  files: z.record(z.string(), z.string()).describe('Path → SHA-256'),
});
export type ImageProvenance = z.infer<typeof ImageProvenance>;

/** Every setting with its layer; secrets by name alone. */
export function provenanceOf(parts: {
  readonly software: string;
  readonly base: { readonly sha256: string; readonly sizeBytes: number };
  readonly rig: string;
  readonly cameraId: string;
  readonly mode: string;
  readonly layers: readonly string[];
  readonly recipe: Recipe;
  readonly files: ReadonlyMap<string, Buffer>;
}): ImageProvenance {
  const { software, base, rig, cameraId, mode, layers, recipe, files } = parts;
  return ImageProvenance.parse({
    v: 1,
    software,
    base: { sha256: base.sha256, size_bytes: base.sizeBytes },
    rig,
    camera_id: cameraId,
    mode,
    layers: [...layers],
    settings: SECTIONS.flatMap((section) =>
      recipe[section].map(({ key, value, from, over, why }) => ({
        section,
        key,
        value: section === 'node' && isSecretSetting(key) ? HIDDEN : masked(value),
        from,
        over: [...over],
        why,
      })),
    ),
    files: Object.fromEntries([...files].map(([path, content]) => [path, sha256Of(content)])),
  });
}

/** What a property is called that nobody may read over a shoulder, in config.json, in connections and in the node's configuration. */
const SECRET_NAMES = /^(psk|password|deviceApiKey|apiKey|pin_hash|viewer_pin_hash|rig_key|key)$/;

/** The same value with what is secret in it replaced, however deep. */
export function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, SECRET_NAMES.test(name) ? HIDDEN : masked(each)]),
  );
}
