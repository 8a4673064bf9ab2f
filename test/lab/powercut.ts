import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle, shareWith } from './machine/bundle.ts';
import { checkDisk, copyOut, makeDisk } from './machine/disk.ts';
import { boot, type Guest, type PowerCut } from './machine/guest.ts';
import { type LabOptions, type LabResult, runLab } from './machine/lab.ts';
import { between, generator } from './machine/random.ts';
import { type Judged, judgeDisk } from './recordings/judge.ts';

/**
 * A whole node records the test pattern onto an ext4 disk, and the power fails at a random moment; in some rounds again while the node
 * recovers or shortly after, in some the disk is nearly full. After the next start every file has to play to its last frame, at
 * most a second of video may be missing before the cut, and the manifests have to say what the files show.
 */

/** Of which CI runs this many in about eight minutes. */
const ROUNDS = 50;
const AT_ONCE = 2;
const PICTURE = { width: 1280, height: 144, fps: 20, bitrate_mbps: 1 } as const;
const DISK_MIB = 128;
const STATE_MIB = 24;
/** N4: at most this much video is lost end to end. */
const LOST_SEC_MAX = 1;
/**
 * Guest and host read the same clock. No line may come before it was written: then less would seem lost than is. One that comes late
 * makes it more, and only shows how busy the host is.
 */
const EARLY_MS_MAX = 2;
const LATE_MS_MAX = 200;

/** A guest that waited for a processor for so long, of the two seconds before the cut, was not a machine that records. */
const STARVED_MS = 250;
/** With more of the cuts than this the host is too busy to show anything. */
const STARVED_PART_MAX = 0.2;
/** So many rounds that could not be played are enough: it does not run here. */
const BROKEN_MAX = 4;

const RECORDING_MS = 45_000;
const RECOVERY_MS = 90_000;

const CONFIG = {
  version: 1,
  rig: 'lab',
  camera_id: 'CAM_C',
  position: 'center',
  cameras: ['CAM_C'],
  sync: { master: 'CAM_C' },
  storage: { path: '/mnt/recordings' },
  state_dir: '/mnt/state/touchline',
  runtime_dir: '/run/touchline',
  camera: { source: 'test-pattern', ...PICTURE },
  recording: { expected_duration_min: 1 },
  log_level: 'info',
};

/** What is decided before a round; times in seconds. */
interface Plan {
  /** From when on the power may fail: once the recording has caught up with its camera, or while that is still starting. */
  readonly phase: 'recording' | 'starting';
  readonly cutAfterSec: number;
  /** From the next start of the machine on; undefined when nothing disturbs the recovery. */
  readonly againAfterSec: number | undefined;
  /** Bytes left free on the disk once it records. */
  readonly leaveBytes: number | undefined;
}

interface Round {
  readonly plan: Plan;
  readonly cuts: readonly Lost[];
  readonly diskFull: boolean;
  readonly files: readonly Judged[];
  readonly faults: readonly string[];
  /** Least time that a line of the guests took, by their clock and ours. */
  readonly lineLateMs: number;
}

/** One cut while a recording ran. */
interface Lost {
  /** `starved`: the host had no processor for the guest just then, and what it lost tells nothing of the node. */
  readonly phase: Plan['phase'] | 'starved';
  readonly lostSec: number;
}

function plan(random: () => number): Plan {
  const phase = random() < 0.8 ? 'recording' : 'starting';
  const again = random() < 0.3;
  const full = random() < 0.25;
  return {
    phase,
    cutAfterSec: phase === 'recording' ? between(random, 0, 5) : between(random, 1, 6),
    againAfterSec: again ? between(random, 0.1, 8) : undefined,
    leaveBytes: full ? Math.round(between(random, 20e3, 2e6)) : undefined,
  };
}

/** What a start of the machine had reached when its power was cut. */
interface Reached {
  /** First frame of its recording, wall clock. */
  fromUs?: number;
  caughtUp?: boolean;
}

interface Said {
  readonly at_us: number;
  readonly started?: string;
  readonly recording?: string;
  readonly caught_up?: string;
  readonly ballast?: number;
  readonly fault?: string;
}

function saidIn(line: string): Said | undefined {
  const match = /^LAB-SAY (\{.*\})$/.exec(line);
  return match?.[1] === undefined ? undefined : (JSON.parse(match[1]) as Said);
}

/** The files of one round, and what is learned from what its guests say. */
async function playRound(
  { machine, log }: LabOptions,
  program: string,
  number: number,
  wanted: Plan,
): Promise<Round> {
  const folder = join(machine.folder, `round-${number}`);
  mkdirSync(folder);
  const disks = [join(folder, 'recordings.img'), join(folder, 'state.img')];
  await makeDisk(disks[0] as string, DISK_MIB);
  await makeDisk(disks[1] as string, STATE_MIB);
  let lineLateMs = Number.POSITIVE_INFINITY;
  let diskFull = false;
  const reached = new Map<Guest, Reached>();
  const guests: Guest[] = [];

  const start = async (task: 'record' | 'recover', attempt: number): Promise<Guest> => {
    const name = `power-${number}-${attempt}`;
    const share = await shareWith(join(folder, name), program);
    writeFileSync(join(share, 'node.yml'), JSON.stringify(CONFIG));
    const leave = task === 'record' && wanted.leaveBytes !== undefined ? wanted.leaveBytes : undefined;
    const guest = await boot(machine, {
      name,
      job: 'node.sh',
      share,
      disks,
      variables: {
        TASK: task,
        CONFIG: '/host/node.yml',
        ...(leave === undefined ? {} : { LEAVE_BYTES: String(leave) }),
        // Not a byte can be described on a disk that is full: somebody makes room first.
        ...(task === 'recover' && diskFull ? { MAKE_ROOM: 'yes' } : {}),
      },
    });
    guests.push(guest);
    const hear = (line: string, atUs: number): void => {
      const said = saidIn(line);
      if (!said) return;
      const lateMs = (atUs - said.at_us) / 1000;
      if (lateMs < lineLateMs) lineLateMs = lateMs;
      const so = reached.get(guest) ?? {};
      reached.set(guest, so);
      if (said.recording !== undefined) so.fromUs ??= said.at_us;
      // A further part catches up anew.
      if (said.recording !== undefined) so.caughtUp = false;
      if (said.caught_up !== undefined) so.caughtUp = true;
      if (said.fault === 'disk_full') diskFull = true;
    };
    guest.onLine(hear);
    return guest;
  };
  const cuts: { cut: PowerCut; reached: Reached }[] = [];
  const cut = async (guest: Guest): Promise<void> => {
    const done = await guest.cutPower();
    // What a full disk lost before is not the power's doing.
    if (!diskFull) cuts.push({ cut: done, reached: reached.get(guest) ?? {} });
  };

  try {
    const first = await start('record', 1);
    if (wanted.phase === 'starting')
      await first.until('a start', RECORDING_MS, (line) => saidIn(line)?.started);
    else {
      await first.until('a recording', RECORDING_MS, (line) => saidIn(line)?.caught_up);
      if (wanted.leaveBytes !== undefined)
        await first.until('a disk nearly full', RECORDING_MS, (line) => saidIn(line)?.ballast);
    }
    await sleep(wanted.cutAfterSec * 1000);
    await cut(first);
    if (wanted.againAfterSec !== undefined) {
      const second = await start('recover', 2);
      await sleep(wanted.againAfterSec * 1000);
      await cut(second);
    }
    const last = await start('recover', 3);
    await last.done(RECOVERY_MS);
    const faults: string[] = [];
    for (const disk of disks) {
      const damage = await checkDisk(disk);
      if (damage !== undefined) faults.push(`the file system is not clean: ${damage}`);
    }
    const out = join(folder, 'out');
    await copyOut(disks[0] as string, out);
    const judged = await judgeDisk(out, PICTURE.fps);
    const lost = cuts.flatMap((each) => lostBy(each.cut, each.reached, judged.files));
    return {
      plan: wanted,
      cuts: lost,
      diskFull,
      files: judged.files,
      faults: [...faults, ...judged.faults],
      lineLateMs,
    };
  } catch (error) {
    for (const guest of guests) log(`${guest.name}:\n${guest.lines.join('\n')}`);
    throw error;
  } finally {
    for (const guest of guests) {
      await guest.cutPower();
      writeFileSync(join(folder, `${guest.name}.log`), guest.lines.join('\n'));
    }
    if (!process.env.TOUCHLINE_LAB_KEEP) rmSync(folder, { recursive: true, force: true });
  }
}

/** What a cut took: the time from the last frame that is left of what this start of the machine recorded, until the power was gone. */
function lostBy(cut: PowerCut, { fromUs, caughtUp }: Reached, files: readonly Judged[]): Lost[] {
  if (fromUs === undefined) return [];
  const exposures = files.flatMap(({ frames }) => frames.map(({ epochUs }) => epochUs));
  const lastUs = Math.max(0, ...exposures.filter((epochUs) => epochUs <= cut.untilUs));
  return [
    {
      phase: !caughtUp ? 'starting' : cut.waitedMs > STARVED_MS ? 'starved' : 'recording',
      lostSec: (cut.untilUs - Math.max(fromUs, lastUs)) / 1e6,
    },
  ];
}

await runLab('powercut', ROUNDS, async (options): Promise<LabResult> => {
  const { rounds, seed, machine, log } = options;
  const program = await bundle('node.ts', machine.folder);
  const played: Round[] = [];
  const failures: string[] = [];
  let next = 0;
  let broken = 0;
  const play = async (): Promise<void> => {
    for (let number = next++; number < rounds && broken < BROKEN_MAX; number = next++) {
      const wanted = plan(generator(seed * 1000 + number));
      try {
        const round = await playRound(options, program, number, wanted);
        played.push(round);
        for (const failure of faultsOf(round)) failures.push(`round ${number}: ${failure}`);
        log(`round ${number}: ${line(round)}`);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        broken++;
        failures.push(`round ${number}: ${reason}`);
        log(`round ${number} failed: ${reason}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, play));
  const files = played.flatMap((round) => round.files);
  const described = files.filter(({ manifest }) => manifest !== undefined);
  const lostIn = (phase: Lost['phase']): number[] =>
    played.flatMap(({ cuts }) => cuts.filter((each) => each.phase === phase).map(({ lostSec }) => lostSec));
  const lost = lostIn('recording');
  const starved = lostIn('starved');
  if (starved.length > STARVED_PART_MAX * (lost.length + starved.length))
    failures.push(
      `the host is too busy: ${starved.length} of ${lost.length + starved.length} cuts came while it had no processor for the guest`,
    );
  return {
    figures: {
      rounds: played.length,
      playable: files.filter(({ unplayable }) => unplayable === undefined).length,
      files: files.length,
      max_lost_sec: Math.max(0, ...lost),
      manifests_wrong: described.filter(({ wrong }) => wrong.length > 0).length,
      recovered_parts: described.filter(({ manifest }) => manifest?.touchline.recovered).length,
      cuts_while_recording: lost.length,
      mean_lost_sec: lost.reduce((sum, each) => sum + each, 0) / Math.max(1, lost.length),
      cuts_while_starved: starved.length,
      max_lost_starved_sec: Math.max(0, ...starved),
      cuts_while_starting: lostIn('starting').length,
      max_lost_starting_sec: Math.max(0, ...lostIn('starting')),
      cut_twice: played.filter(({ plan: { againAfterSec } }) => againAfterSec !== undefined).length,
      disk_nearly_full: played.filter(({ plan: { leaveBytes } }) => leaveBytes !== undefined).length,
      disk_full: played.filter(({ diskFull }) => diskFull).length,
      clock_differs_ms: [
        Math.min(...played.map(({ lineLateMs }) => lineLateMs)),
        Math.max(...played.map(({ lineLateMs }) => lineLateMs)),
      ],
    },
    failures,
  };
});

function faultsOf({ cuts, files, faults, lineLateMs }: Round): string[] {
  return [
    ...faults,
    ...files.flatMap(({ path, unplayable, wrong }) => [
      ...(unplayable === undefined ? [] : [`${path} does not play: ${unplayable}`]),
      ...wrong.map((what) => `${path}: ${what}`),
    ]),
    ...cuts
      .filter(({ phase, lostSec }) => phase === 'recording' && lostSec > LOST_SEC_MAX)
      .map(({ lostSec }) => `${lostSec.toFixed(3)} s were lost`),
    ...(lineLateMs < -EARLY_MS_MAX || lineLateMs > LATE_MS_MAX
      ? [`guest and host do not agree on the time: lines come after ${lineLateMs} ms`]
      : []),
  ];
}

function line({ plan: { againAfterSec, leaveBytes }, cuts, files, diskFull }: Round): string {
  const how = [
    ...(againAfterSec === undefined ? [] : ['cut twice']),
    ...(leaveBytes === undefined ? [] : [diskFull ? 'disk full' : 'disk nearly full']),
  ];
  const recovered = files.filter(({ manifest }) => manifest?.touchline.recovered).length;
  return [
    `${files.length} files, ${recovered} recovered`,
    `lost ${cuts.map(({ phase, lostSec }) => `${lostSec.toFixed(2)} s while ${phase}`).join(', ')}`,
    ...how,
  ].join(', ');
}
