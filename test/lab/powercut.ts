import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromWireTime } from '#contracts/time.ts';
import { bundle, shareWith } from './machine/bundle.ts';
import { checkDisk, copyOut, makeDisk } from './machine/disk.ts';
import { boot, type Guest } from './machine/guest.ts';
import { type LabOptions, type LabResult, runLab } from './machine/lab.ts';
import { loneNode, SMALL_PICTURE } from './machine/lone-node.ts';
import { between, generator } from './machine/random.ts';
import { type Judged, judgeDisk } from './recordings/judge.ts';

/**
 * A whole node records the test pattern onto ext4 disks, and the power fails at a random moment, time after time: while it records, while it recovers
 * what the cut before left, and sometimes with the disk nearly full. In the end every file has to play to its last frame, at most a
 * second of video may be missing before each cut, and the manifests have to say what the files show. All times are those of the machine that
 * records: its clock stands still while it computes, so that a busy host makes the lab longer and nothing else.
 */

const ROUNDS = 50;
const AT_ONCE = 2;
/** So many cuts, at most, one machine with its disks goes through before they are looked at. */
const CUTS_OF_A_MACHINE = 10;
const DISK_MIB = 128;
const STATE_MIB = 24;
/** N4: at most this much video is lost end to end. */
const LOST_SEC_MAX = 1;
/** The moment of a cut is known to within one tick of the machine's clock. */
const TICK_MS = 50;
/** What the host takes for such a tick, at most, while the machine records. */
const TICK_OF_HOST_MS = 300;
/** So many machines that broke are enough: it does not run here. */
const BROKEN_MAX = 2;

/** Patience of the host. */
const RECORDING_MS = 240_000;
const RECOVERY_MS = 300_000;

/** What is decided before a round, which is one start of the machine until its power fails. */
interface Plan {
  readonly cut:
    | {
        while: 'recording';
        /** Seconds of the machine from the agreed start of the recording until the power may fail. */
        readonly afterSec: number;
        /** How much later it does, in milliseconds of the host: anywhere between two ticks. */
        readonly laterMs: number;
      }
    | {
        while: 'recovering';
        /** Seconds of the host from the machine's start until its power fails: it may have come any way by then. */
        readonly afterSec: number;
      };
  /** Bytes left free on the disk once it records. */
  readonly leaveBytes: number | undefined;
}

/** What came of one machine: as many rounds as it had power cuts. */
interface Chain {
  readonly cuts: readonly Cut[];
  readonly files: readonly Judged[];
  readonly failures: readonly string[];
}

function plan(random: () => number): Plan {
  const recovering = random() < 0.3;
  const full = random() < 0.25;
  return {
    cut: recovering
      ? { while: 'recovering', afterSec: between(random, 0.1, 15) }
      : {
          while: 'recording',
          afterSec: between(random, 0, 4),
          laterMs: between(random, 0, TICK_OF_HOST_MS),
        },
    leaveBytes: full && !recovering ? Math.round(between(random, 20e3, 2e6)) : undefined,
  };
}

/** One power cut. */
interface Cut {
  readonly plan: Plan;
  /** First frame of what this start of the machine recorded, by its wall clock; undefined when there was none. */
  readonly fromUs: number | undefined;
  /** The power was gone by then, by its wall clock; undefined when that had not begun to tick. */
  readonly goneUs: number | undefined;
  readonly diskFull: boolean;
}

interface Said {
  readonly at_us: number;
  readonly start_at?: string;
  readonly recording?: string;
  readonly first_frame_us?: number;
  readonly ballast?: number;
  readonly fault?: string;
}

function saidIn(line: string): Said | undefined {
  const match = /^LAB-SAY (\{.*\})$/.exec(line);
  return match?.[1] === undefined ? undefined : (JSON.parse(match[1]) as Said);
}

/** One machine with its disks, through as many power cuts as there are plans. */
async function playChain(
  { machine, log }: LabOptions,
  program: string,
  firstRound: number,
  plans: readonly Plan[],
): Promise<Chain> {
  const folder = join(machine.folder, `machine-${firstRound}`);
  mkdirSync(folder);
  const disks = [join(folder, 'recordings.img'), join(folder, 'state.img')] as const;
  await makeDisk(disks[0], DISK_MIB);
  await makeDisk(disks[1], STATE_MIB);
  const guests: Guest[] = [];
  const cuts: Cut[] = [];
  let full = false;

  const start = async (
    name: string,
    task: 'record' | 'recover',
    hear: (said: Said) => void,
    leave?: number,
  ): Promise<Guest> => {
    const share = await shareWith(join(folder, name), program);
    writeFileSync(join(share, 'node.yml'), JSON.stringify(loneNode({})));
    const guest = await boot(machine, {
      name: `power-${name}`,
      job: 'node.sh',
      share,
      disks,
      time: 'virtual',
      tickMs: TICK_MS,
      variables: {
        TASK: task,
        CONFIG: '/host/node.yml',
        ...(leave === undefined ? {} : { LEAVE_BYTES: String(leave) }),
        // Not a byte can be described on a disk that is full: somebody makes room first.
        ...(full ? { MAKE_ROOM: 'yes' } : {}),
      },
    });
    guests.push(guest);
    guest.onLine((line) => {
      const said = saidIn(line);
      if (said) hear(said);
    });
    return guest;
  };

  /** From the start of the machine until its power is gone. */
  const playRound = async (number: number, wanted: Plan): Promise<Cut> => {
    let fromUs: number | undefined;
    let diskFull = false;
    const guest = await start(
      `${number}`,
      'record',
      ({ first_frame_us, fault }) => {
        fromUs ??= first_frame_us;
        if (fault === 'disk_full') diskFull = true;
      },
      wanted.leaveBytes,
    );
    if (wanted.cut.while === 'recovering') await sleep(wanted.cut.afterSec * 1000);
    else {
      const startAt = await guest.until('a start', RECORDING_MS, (line) => saidIn(line)?.start_at);
      if (wanted.leaveBytes !== undefined)
        await guest.until('a disk nearly full', RECORDING_MS, (line) => saidIn(line)?.ballast);
      await guest.reaches(fromWireTime(startAt) + wanted.cut.afterSec * 1e6, RECORDING_MS);
      await sleep(wanted.cut.laterMs);
    }
    await guest.cutPower();
    const { tickUs } = guest;
    const goneUs = tickUs === undefined ? undefined : tickUs + TICK_MS * 1000;
    return { plan: wanted, fromUs, goneUs, diskFull };
  };

  try {
    for (const [index, wanted] of plans.entries()) {
      const cut = await playRound(firstRound + index, wanted);
      full = cut.diskFull;
      cuts.push(cut);
    }
    const last = await start(`${firstRound}-end`, 'recover', () => undefined);
    await last.done(RECOVERY_MS);
    const failures: string[] = [];
    for (const disk of disks) {
      const damage = await checkDisk(disk);
      if (damage !== undefined) failures.push(`the file system is not clean: ${damage}`);
    }
    const out = join(folder, 'out');
    await copyOut(disks[0], out);
    const { files, faults } = await judgeDisk(out, SMALL_PICTURE.fps);
    return { cuts, files, failures: [...failures, ...faults] };
  } catch (error) {
    for (const guest of guests.slice(-2)) log(`${guest.name}:\n${guest.lines.join('\n')}`);
    throw error;
  } finally {
    for (const guest of guests) {
      await guest.cutPower();
      writeFileSync(join(folder, `${guest.name}.log`), guest.lines.join('\n'));
    }
    if (!process.env.TOUCHLINE_LAB_KEEP) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * What each cut took, seconds: from the last frame that is left of what this start of the machine recorded, until the power was gone. What
 * a full disk had lost before is not the power's doing.
 */
function lostBy({ cuts, files }: Chain): number[] {
  const exposures = files.flatMap(({ frames }) => frames.map(({ epochUs }) => epochUs));
  return cuts.flatMap(({ fromUs, goneUs, diskFull }) => {
    if (fromUs === undefined || goneUs === undefined || diskFull) return [];
    const lastUs = exposures.reduce((last, each) => (each <= goneUs && each > last ? each : last), fromUs);
    return [(goneUs - lastUs) / 1e6];
  });
}

function failuresOf(chain: Chain): string[] {
  return [
    ...chain.failures,
    ...chain.files.flatMap(({ path, unplayable, wrong }) => [
      ...(unplayable === undefined ? [] : [`${path} does not play: ${unplayable}`]),
      ...wrong.map((what) => `${path}: ${what}`),
    ]),
    ...lostBy(chain)
      .filter((sec) => sec > LOST_SEC_MAX)
      .map((sec) => `${sec.toFixed(3)} s were lost`),
  ];
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

await runLab('powercut', ROUNDS, async (options): Promise<LabResult> => {
  const { rounds, seed, machine, log } = options;
  const program = await bundle('node.ts', machine.folder);
  const plans = Array.from({ length: rounds }, (_, number) => plan(generator(seed * 1000 + number)));
  // As many machines for each that runs at once.
  const turns = Math.ceil(rounds / (AT_ONCE * CUTS_OF_A_MACHINE));
  const each = Math.ceil(rounds / (AT_ONCE * turns));
  const played: Chain[] = [];
  const failures: string[] = [];
  let next = 0;
  let broken = 0;
  const play = async (): Promise<void> => {
    while (next < rounds && broken < BROKEN_MAX) {
      const first = next;
      next += each;
      const last = Math.min(next, rounds) - 1;
      try {
        const chain = await playChain(options, program, first, plans.slice(first, next));
        played.push(chain);
        const wrong = failuresOf(chain);
        failures.push(...wrong.map((failure) => `rounds ${first} to ${last}: ${failure}`));
        log(
          `rounds ${first} to ${last}: ${chain.files.length} files, lost ${lostBy(chain)
            .map((sec) => sec.toFixed(2))
            .join(' ')} s${wrong.length === 0 ? '' : `; ${wrong.join('; ')}`}`,
        );
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        broken++;
        failures.push(`rounds ${first} to ${last}: ${reason}`);
        log(`rounds ${first} to ${last} broke off: ${reason}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, play));
  const files = played.flatMap((chain) => chain.files);
  const cuts = played.flatMap((chain) => chain.cuts);
  const manifests = files.flatMap(({ manifest }) => manifest ?? []);
  const lost = played.flatMap(lostBy);
  return {
    figures: {
      rounds: cuts.length,
      playable: files.filter(({ unplayable }) => unplayable === undefined).length,
      files: files.length,
      max_lost_sec: Math.max(0, ...lost),
      manifests_wrong: files.filter(({ manifest, wrong }) => manifest && wrong.length > 0).length,
      recovered_parts: manifests.filter(({ touchline }) => touchline.recovered).length,
      cuts_with_frames: lost.length,
      mean_lost_sec: sum(lost) / Math.max(1, lost.length),
      cuts_while_recovering: cuts.filter((each) => each.plan.cut.while === 'recovering').length,
      disk_nearly_full: cuts.filter((each) => each.plan.leaveBytes !== undefined).length,
      disk_full: cuts.filter(({ diskFull }) => diskFull).length,
    },
    failures,
  };
});
