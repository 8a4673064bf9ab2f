import { stringify } from 'yaml';
import { TouchlineError } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { Setting } from '#domain/provisioning/recipe.ts';
import { knownKeys } from '#runtime/config-schema.ts';
import { place, type Tree } from '#runtime/config-tree.ts';

/** The node's configuration as YAML, checked by the schema that the node itself starts with. Throws `configuration_invalid` naming the layer. */
export function nodeConfigOf(
  settings: readonly Setting<'node'>[],
  cameraId: string,
): { readonly config: NodeConfig; readonly text: string } {
  const tree: Tree = {};
  for (const { key, value, from } of settings)
    if (!place(tree, key.split('.'), value))
      throw invalid(`layer ${from}: node: ${key} is not the name of a setting`, key);
  const parsed = NodeConfig.safeParse(tree);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = [...(issue?.path ?? []), ...(issue?.code === 'unrecognized_keys' ? issue.keys : [])].join(
      '.',
    );
    const from = settings.findLast(({ key }) => path === key || path.startsWith(`${key}.`))?.from;
    throw invalid(
      `configuration of ${cameraId}: ${path}: ${issue?.message}${from === undefined ? '' : ` (set by layer ${from})`}`,
      path,
    );
  }
  return {
    config: parsed.data,
    text: `# Configuration of ${cameraId}, written by the image tool. Where each value came from: provenance.json beside it.\n${stringify(tree)}`,
  };
}

/** Whether a setting of the node, or something in it, is a secret. */
export function isSecretSetting(path: string): boolean {
  const key = knownKeys(NodeConfig).get(path);
  return key?.secret === true || (key?.secretWithin.length ?? 0) > 0;
}

function invalid(message: string, field: string): TouchlineError {
  return new TouchlineError('configuration_invalid', message, {
    field,
    remedy:
      'Correct it in rig.yml (firmware, or the firmware of a camera); `./touchline config explain` lists every setting.',
  });
}
