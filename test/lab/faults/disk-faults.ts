import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, shareWith } from '../machine/bundle.ts';
import { copyOut, makeDisk } from '../machine/disk.ts';
import { boot, type Machine } from '../machine/guest.ts';
import { loneNode, SMALL_PICTURE } from '../machine/lone-node.ts';
import { run } from '../machine/run.ts';
import { type Judged, judgeDisk } from '../recordings/judge.ts';
import type { DiskStory } from './disk-node.ts';
import { judgeSession, type Verdict } from './truth.ts';

const FPS = 15;
const DISK_MIB = 64;
const STATE_MIB = 24;
const STORY_MS = 600_000;
const DISK_PATH = '/mnt/recordings';

/** Somebody looks after the file system and mounts it again; open files would keep it busy. */
const MOUNT_AGAIN = `for n in $(seq 100); do umount ${DISK_PATH} 2>/dev/null; mountpoint -q ${DISK_PATH} || break; sleep 0.1; done; e2fsck -fp $DISK || [ $? -lt 4 ] && mount -o noatime $DISK ${DISK_PATH}`;
const reload = (table: string): string =>
  `dmsetup suspend --noflush --nolockfs disk && dmsetup reload disk --table "${table}" && dmsetup resume disk`;

interface DiskFault {
  readonly hurt: string;
  readonly heal: string;
  readonly sec: number;
  /** Whether the disk of the node is behind the device mapper. */
  readonly mapped?: true;
  /** What the recorder may call it. */
  readonly names: readonly string[];
  /** So much may be missing from the moment it begins on. */
  readonly losesAtMostSec: number;
}

const DISK_FAULTS: Readonly<Record<string, DiskFault>> = {
  full: {
    hurt: `fallocate -l $(( $(stat -f -c '%a * %S' ${DISK_PATH}) - 150000 )) ${DISK_PATH}/ballast`,
    heal: `rm ${DISK_PATH}/ballast`,
    sec: 6,
    names: ['disk_full'],
    losesAtMostSec: 60,
  },
  vanishes: {
    hurt: `umount -l ${DISK_PATH}`,
    heal: `mount -o noatime $DISK ${DISK_PATH}`,
    sec: 4,
    names: ['disk_missing'],
    losesAtMostSec: 60,
  },
  'read-only': {
    hurt: `mount -o remount,errors=remount-ro ${DISK_PATH} && echo lab >/sys/fs/ext4/$(basename $DISK)/trigger_fs_error`,
    heal: MOUNT_AGAIN,
    sec: 4,
    names: ['disk_missing', 'disk_failed'],
    losesAtMostSec: 60,
  },
  slow: {
    hurt: reload('0 $SECTORS delay /dev/loop0 0 0 /dev/loop0 0 2500'),
    heal: reload('0 $SECTORS delay /dev/loop0 0 0'),
    sec: 8,
    mapped: true,
    names: ['disk_too_slow'],
    // The queue has room.
    losesAtMostSec: 0.2,
  },
  flaky: {
    hurt: reload('0 $SECTORS flakey /dev/loop0 0 0 3600 1 error_writes'),
    heal: `${reload('0 $SECTORS delay /dev/loop0 0 0')} && ${MOUNT_AGAIN}`,
    sec: 4,
    mapped: true,
    names: ['disk_failed', 'disk_missing'],
    losesAtMostSec: 60,
  },
};

/** What one trouble of the disk led to. */
export interface DiskOutcome {
  readonly fault: string;
  readonly detected_as: string | null;
  /** Without pictures from its beginning on. */
  readonly lost_sec: number;
  /** From its end to the first picture. */
  readonly back_sec: number;
  readonly file_playable: boolean;
  readonly went_on: boolean;
  readonly failures: readonly string[];
}

export async function playDiskFaults(
  machine: Machine,
  log: (line: string) => void,
  names: readonly string[] = Object.keys(DISK_FAULTS),
): Promise<DiskOutcome[]> {
  const program = await bundle('../faults/disk-node.ts', machine.folder);
  const outcomes: DiskOutcome[] = [];
  for (const [name, fault] of Object.entries(DISK_FAULTS).filter(([each]) => names.includes(each))) {
    const outcome = await playOne(machine, program, name, fault);
    log(`disk ${name}: ${JSON.stringify(outcome)}`);
    outcomes.push(outcome);
  }
  return outcomes;
}

async function playOne(
  machine: Machine,
  program: string,
  name: string,
  fault: DiskFault,
): Promise<DiskOutcome> {
  const folder = join(machine.folder, `disk-${name}`);
  mkdirSync(folder);
  const disks = [join(folder, 'recordings.img'), join(folder, 'state.img')] as const;
  await makeDisk(disks[0], DISK_MIB);
  await makeDisk(disks[1], STATE_MIB);
  const share = await shareWith(join(folder, 'share'), program);
  writeFileSync(
    join(share, 'node.yml'),
    JSON.stringify(loneNode({ camera: { source: 'test-pattern', ...SMALL_PICTURE, fps: FPS } })),
  );
  writeFileSync(join(share, 'hurt.sh'), fault.hurt);
  writeFileSync(join(share, 'heal.sh'), fault.heal);
  const guest = await boot(machine, {
    name: `disk-${name}`,
    job: 'disk-faults.sh',
    share,
    disks,
    time: 'virtual',
    variables: {
      CONFIG: '/host/node.yml',
      HURT: '/host/hurt.sh',
      HEAL: '/host/heal.sh',
      HURT_SEC: String(fault.sec),
      ...(fault.mapped ? { DEVICE: 'mapped' } : {}),
    },
  });
  try {
    const story = await guest.until('its story', STORY_MS, (line) => {
      const [, told] = /^LAB-SAY (\{.*\})$/.exec(line) ?? [];
      return told === undefined ? undefined : (JSON.parse(told) as DiskStory);
    });
    await guest.done(STORY_MS);
    // What hurt it may have left the file system to be repaired, which is not the product's to do.
    await run('e2fsck', ['-f', '-p', disks[0]], [0, 1]);
    const out = join(folder, 'out');
    await copyOut(disks[0], out);
    const { files, faults } = await judgeDisk(out, FPS);
    const verdict = judgeSession(
      {
        id: name,
        uid: story.uid,
        startUs: story.start_us,
        stopUs: story.stop_us,
        rounds: 1,
        hits: [],
      },
      files,
      FPS,
    );
    return outcomeOf(name, fault, story, verdict, files, faults);
  } finally {
    await guest.cutPower();
    writeFileSync(join(folder, 'guest.log'), guest.lines.join('\n'));
  }
}

function outcomeOf(
  name: string,
  fault: DiskFault,
  story: DiskStory,
  verdict: Verdict,
  files: readonly Judged[],
  faults: readonly string[],
): DiskOutcome {
  const lost = verdict.gaps.filter(({ toUs }) => toUs > story.hurt_us);
  const lostSec = lost.reduce((sum, { fromUs, toUs }) => sum + (toUs - fromUs) / 1e6, 0);
  const backUs = Math.max(
    story.healed_us,
    ...lost.filter(({ fromUs }) => fromUs < story.healed_us).map(({ toUs }) => toUs),
  );
  const detected = story.faults.find((code) => fault.names.includes(code)) ?? null;
  const playable = files.length > 0 && files.every(({ unplayable }) => unplayable === undefined);
  const check = (holds: boolean, what: string): string[] => (holds ? [] : [`disk ${name}: ${what}`]);
  const gap = ({ fromUs, toUs }: { fromUs: number; toUs: number }): string =>
    `${((fromUs - story.start_us) / 1e6).toFixed(3)} s to ${((toUs - story.start_us) / 1e6).toFixed(3)} s`;
  return {
    fault: name,
    detected_as: detected,
    lost_sec: lostSec,
    back_sec: (backUs - story.healed_us) / 1e6,
    file_playable: playable,
    went_on: story.went_on,
    failures: [
      ...faults.map((what) => `disk ${name}: ${what}`),
      ...check(detected !== null, `the recorder called it ${story.faults.join(', ') || 'nothing'}`),
      ...check(story.went_on, 'the recording did not go on'),
      ...check(playable, `does not play: ${files.map(({ unplayable }) => unplayable ?? '').join(' ')}`),
      ...check(lostSec <= fault.losesAtMostSec, `${lostSec.toFixed(3)} s are missing`),
      ...check(story.below.length === 0, `written below the mount point: ${story.below.join(', ')}`),
      ...files.flatMap(({ path, wrong }) => wrong.map((what) => `disk ${name}: ${path}: ${what}`)),
      ...verdict.faults.map((what) => `disk ${name}: ${what}`),
      ...verdict.unnoted.map((each) => `disk ${name}: missing and not noted: ${gap(each)}`),
      ...verdict.phantoms.map((each) => `disk ${name}: noted and not missing: ${gap(each)}`),
    ],
  };
}
