import { readFileSync, writeFileSync } from 'node:fs';
import type { Test } from 'tap';
import { parse, stringify } from 'yaml';
import { builtBundles } from '../../cli/bundles.ts';
import type { SupervisedChild } from '../../cli/demo/child.ts';
import { waitUntilReady } from '../../cli/demo/once.ts';
import { makePlace } from '../../cli/demo/place.ts';
import { type DemoSystem, demoSystem } from '../../cli/demo/system.ts';
import { quietShell } from '../fixtures/quiet-shell.ts';
import { until } from './until.ts';

/** Deep changes to a configuration file before anything starts. */
export type Edit = (config: { [section: string]: Record<string, unknown> }) => void;

export interface RunningRig extends DemoSystem {
  /** Ends one process as a power cut does; the supervisor starts it again. */
  kill(name: string): SupervisedChild;
  /** Waits until `probe` gives a value; fails with what it last said. */
  readonly until: typeof until;
}

/** The rig as it ships: the built bundles, one process per service, three nodes and central on loopback. */
export async function runningRig(t: Test, edits: { node?: Edit; central?: Edit } = {}): Promise<RunningRig> {
  let system: DemoSystem | undefined;
  // Before the folder is asked for: what is asked for first is undone first, and the folder must outlive what runs in it.
  t.teardown(() => system?.stop());
  const shell = quietShell();
  const bundles = await builtBundles(shell);
  const place = await makePlace({ out: t.testdir({}), sources: new Map() });
  for (const node of place.nodes) edit(node.configFile, edits.node);
  edit(place.central.configFile, edits.central);

  system = demoSystem(shell, place, bundles, (line) => t.comment(line));
  system.start();
  await waitUntilReady(system, AbortSignal.timeout(120_000));
  return {
    ...system,
    kill(name) {
      const child = system.children.find((each) => each.name === name);
      if (child?.pid === undefined) throw new Error(`${name} does not run`);
      process.kill(child.pid, 'SIGKILL');
      return child;
    },
    until,
  };
}

function edit(file: string, change: Edit | undefined): void {
  if (!change) return;
  const config = parse(readFileSync(file, 'utf8'));
  change(config);
  writeFileSync(file, stringify(config));
}
