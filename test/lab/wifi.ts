import { cpSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { builtPages } from '../../cli/bundles.ts';
import { CAMERA_LIKE, makeVideo } from '../fixtures/make-video.ts';
import { quietShell } from '../fixtures/quiet-shell.ts';
import { bundle, shareWith } from './machine/bundle.ts';
import { boot } from './machine/guest.ts';
import { type LabOptions, type LabResult, runLab } from './machine/lab.ts';

/**
 * NetworkManager on the virtual radios of one kernel, held against what every network does. With rounds, a rig of three nodes spends a day in another
 * guest: at home, which flaps so many times, on the pitch on its own access point, with the master dead, and back.
 */

const ADAPTER_MS = 420_000;
const RIG_MS = 900_000;
/** Each flap takes so long, and the guest is slow to notice. */
const FLAP_MS = 12_000;

interface Said {
  readonly log?: string;
  readonly failure?: string;
  readonly figures?: Readonly<Record<string, unknown>>;
}

async function play(
  { machine, log }: LabOptions,
  what: {
    readonly name: string;
    readonly programs: readonly string[];
    readonly radios: number;
    readonly memMib: number;
    readonly ms: number;
    readonly flaps: number;
    readonly time: 'host' | 'virtual';
  },
): Promise<LabResult> {
  const [first = '', ...others] = await Promise.all(
    what.programs.map((program) => bundle(program, machine.folder)),
  );
  const share = await shareWith(join(machine.folder, `share-${what.name}`), first);
  for (const other of others) await copyFile(other, join(share, basename(other)));
  if (others.length > 0) {
    cpSync('dist/ui', join(share, 'ui'), { recursive: true });
    // Encoding is not what is tried, and three encoders are too much for one processor: the cameras send what is encoded already.
    await makeVideo(join(share, 'film.mp4'), { seconds: 20, rate: '10', args: CAMERA_LIKE });
  }
  const failures: string[] = [];
  let figures: Readonly<Record<string, unknown>> = {};
  const guest = await boot(machine, {
    name: what.name,
    job: 'wifi.sh',
    share,
    memMib: what.memMib,
    time: what.time,
    variables: { RADIOS: String(what.radios), PROGRAM: basename(first, '.mjs'), FLAPS: String(what.flaps) },
  });
  guest.onLine((line) => {
    const json = /^LAB-SAY (\{.*\})$/.exec(line)?.[1];
    if (json === undefined) return;
    const said = JSON.parse(json) as Said;
    if (said.log !== undefined) log(`${what.name}: ${said.log}`);
    if (said.failure !== undefined) failures.push(said.failure);
    if (said.figures !== undefined) figures = said.figures;
  });
  try {
    await guest.done(what.ms);
  } catch (error) {
    failures.push((error as Error).message);
  } finally {
    await guest.cutPower();
  }
  return { figures, failures };
}

await runLab('wifi', 0, async (options): Promise<LabResult> => {
  const { rounds: flaps } = options;
  const adapter = await play(options, {
    name: 'adapter',
    programs: ['wifi-adapter.ts'],
    radios: 3,
    memMib: 640,
    ms: ADAPTER_MS,
    flaps,
    time: 'host',
  });
  // What the phone opens.
  if (flaps > 0) await builtPages(quietShell(options.log));
  const rig =
    flaps > 0
      ? await play(options, {
          name: 'rig',
          programs: ['wifi-rig.ts', 'wifi-node.ts'],
          radios: 5,
          memMib: 1536,
          ms: RIG_MS + flaps * FLAP_MS,
          flaps,
          // Three whole nodes are more than one processor of the host does in time.
          time: 'virtual',
        })
      : undefined;
  const figures = { ...adapter.figures, ...rig?.figures };
  const failures = [...adapter.failures, ...(rig?.failures ?? [])];
  if (adapter.figures.adapter_checks === undefined) failures.push('NetworkManager was not tried to the end');
  if (rig && rig.figures.frames_lost !== 0) failures.push(`frames were lost: ${rig.figures.frames_lost}`);
  return { figures, failures };
});
