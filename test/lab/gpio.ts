import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { bundle, shareWith } from './machine/bundle.ts';
import { boot } from './machine/guest.ts';
import { type LabOptions, type LabResult, runLab } from './machine/lab.ts';
import { loneNode } from './machine/lone-node.ts';
import { generator } from './machine/random.ts';

/**
 * Button, LED and beeper of a whole node on the kernel's GPIO simulator: the suite of the port, then somebody who presses, looks and
 * listens while services are killed and chips are numbered anew. `programs/gpio-node.ts` tells what is done.
 */

const PINS = join(import.meta.dirname, '../../overlays/pins.yml');
const JOB_MS = 1_200_000;
const NODE_MIB = 1200;

const CONFIG = loneNode({
  signals: { panel: 'gpio', beeper: 'gpio' },
  sensors: { battery: 'sysfs' },
});

const Pins = z.object({ pins: z.array(z.object({ line: z.string(), gpio: z.int() })) });
const Told = z.object({
  claims: z.int(),
  presses: z.int(),
  starts: z.int(),
  stops: z.int(),
  moments: z.int(),
  states_seen: z.array(z.string()),
  fault_shown_sec: z.array(z.number()),
  failures: z.array(z.string()),
});
type Told = z.infer<typeof Told>;

async function round({ machine }: LabOptions, number: number, decoyFirst: boolean): Promise<Told> {
  const folder = join(machine.folder, `round-${number}`);
  mkdirSync(folder);
  const share = await shareWith(join(folder, 'share'), await bundle('gpio-node.ts', folder));
  for (const service of ['broker', 'sync-agent']) {
    mkdirSync(join(share, service));
    await copyFile(
      await bundle(`../../../services/${service}/main.ts`, folder),
      join(share, service, 'main.mjs'),
    );
  }
  writeFileSync(join(share, 'node.yml'), JSON.stringify(CONFIG));
  const { pins } = Pins.parse(parse(readFileSync(PINS, 'utf8')));
  writeFileSync(join(share, 'pins.json'), JSON.stringify(pins));
  const guest = await boot(machine, {
    name: `panel${number}`,
    job: 'gpio.sh',
    share,
    variables: { DECOY_FIRST: decoyFirst ? 'yes' : 'no' },
    memMib: NODE_MIB,
    time: 'virtual',
  });
  try {
    await guest.done(JOB_MS);
    const line = guest.lines.find((each) => each.startsWith('LAB-SAY '));
    if (line === undefined) throw new Error(`nothing was told; ${guest.lines.slice(-20).join('\n')}`);
    return Told.parse(JSON.parse(line.slice('LAB-SAY '.length)));
  } finally {
    await guest.cutPower();
  }
}

await runLab('gpio', 1, async (options): Promise<LabResult> => {
  const random = generator(options.seed);
  const told: Told[] = [];
  for (let number = 1; number <= options.rounds; number++)
    told.push(await round(options, number, random() < 0.5));
  const sum = (of: 'presses' | 'starts' | 'stops' | 'moments'): number =>
    told.reduce((total, each) => total + each[of], 0);
  const failures = told.flatMap((each, index) => each.failures.map((why) => `round ${index + 1}: ${why}`));
  return {
    figures: {
      rounds: told.length,
      conformance_claims: told.reduce((total, each) => total + each.claims, 0),
      presses: sum('presses'),
      starts: sum('starts'),
      stops: sum('stops'),
      moments: sum('moments'),
      states_seen: [...new Set(told.flatMap(({ states_seen }) => states_seen))].sort(),
      max_fault_shown_sec: Math.max(0, ...told.flatMap(({ fault_shown_sec }) => fault_shown_sec)),
      misread: failures.length,
    },
    failures,
  };
});
