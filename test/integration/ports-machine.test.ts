import { chmod, mkdtemp, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ThrottleReason } from '#contracts/health.ts';
import { diskBelow } from '#ports/disk-condition/block-device.ts';
import { nvmeSmartLog } from '#ports/disk-condition/nvme-smart-log.ts';
import { simulatedDiskCondition } from '#ports/disk-condition/simulated-disk-condition.ts';
import { i2cConformance } from '#ports/i2c/conformance.ts';
import { linuxI2c } from '#ports/i2c/linux-i2c.ts';
import { simulatedI2c } from '#ports/i2c/simulated-i2c.ts';
import { machineConformance } from '#ports/machine/conformance.ts';
import { linuxMachine } from '#ports/machine/linux-machine.ts';
import { simulatedMachine } from '#ports/machine/simulated-machine.ts';

const signal = new AbortController().signal;
const BITS: readonly ThrottleReason[] = [
  'under-voltage',
  'frequency-capped',
  'throttled',
  'soft-temperature-limit',
];

t.test('a simulated computer', async (t) => {
  const machine = simulatedMachine();
  await machineConformance(t, {
    machine,
    set: async (readings) => machine.set(readings),
    breakAll: async () => machine.set({ throttled: null, load: null, memory: null }),
  });
});

t.test('what Linux says of a Raspberry Pi', async (t) => {
  const root = t.testdir({
    sys: {
      devices: { platform: { 'soc@107c000000': { 'soc@107c000000:firmware': { get_throttled: '0\n' } } } },
    },
    proc: { loadavg: '', meminfo: '' },
  });
  const [sysfs, procfs] = [join(root, 'sys'), join(root, 'proc')];
  const firmware = 'devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled';
  await machineConformance(t, {
    machine: linuxMachine({ sysfs, procfs, processors: 4 }),
    async set({ throttled, load, memory }) {
      const flags = [
        ...throttled.now.map((name) => BITS.indexOf(name)),
        ...throttled.since_boot.map((name) => 16 + BITS.indexOf(name)),
      ];
      const register = flags.reduce((sum, bit) => sum + 2 ** bit, 0);
      await writeFile(join(sysfs, firmware), `${register.toString(16)}\n`);
      await writeFile(join(procfs, 'loadavg'), `${(load * 4).toFixed(2)} 9.00 9.00 2/300 4242\n`);
      await writeFile(
        join(procfs, 'meminfo'),
        `MemTotal:        ${memory.totalBytes / 1024} kB\nMemFree:           12 kB\nMemAvailable:    ${memory.availableBytes / 1024} kB\n`,
      );
    },
    breakAll: async () => {
      await rm(join(sysfs, 'devices'), { recursive: true });
      await writeFile(join(procfs, 'loadavg'), 'nothing\n');
      await rm(join(procfs, 'meminfo'));
    },
  });
});

t.test('this very machine tells its load and memory', async (t) => {
  const machine = linuxMachine();
  const { availableBytes, totalBytes } = await machine.memory();
  t.ok(availableBytes > 0 && availableBytes < totalBytes, `${availableBytes} of ${totalBytes}`);
  t.ok((await machine.load()) >= 0);
});

t.test('a simulated bus', async (t) => {
  const bus = simulatedI2c();
  const gone = simulatedI2c();
  gone.unplug();
  await i2cConformance(t, {
    open: bus.open,
    setWord: async (value) => bus.setWord(0x36, 0x02, value),
    ...{ address: 0x36, register: 0x02, empty: 0x20 },
    openNothing: gone.open,
  });
});

t.test('a bus that this machine does not have', async (t) => {
  await t.rejects(linuxI2c(250)(), {
    code: 'sensor_failed',
    field: 'sensors.i2c_bus',
    message: /\/dev\/i2c-250 cannot be opened/,
    remedy: /dtparam=i2c_arm=on/,
  });
});

t.test('a bus is asked through the C library: what is no bus says so', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'touchline-i2c-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  // Opens like a device, and knows no I2C.
  await writeFile(join(folder, 'file'), '');
  const bus = await linuxI2c(1, join(folder, 'file'))();
  await t.rejects(bus.readWord(0x36, 0x02), {
    code: 'sensor_failed',
    message: /0x36 on .*: it does not answer \(ENOTTY/,
  });
  await bus.close();
});

/** `nvme smart-log -o json` of nvme-cli 2, with what the test changes. */
const SMART = {
  critical_warning: 0,
  temperature: 318,
  avail_spare: 100,
  spare_thresh: 10,
  percent_used: 3,
  endurance_grp_critical_warning_summary: 0,
  data_units_read: 1844674,
  media_errors: 0,
  num_err_log_entries: 105,
  temperature_sensor_1: 318,
};

t.test('a disk tells its wear through the program nvme', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'touchline-nvme-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, 'nvme');
  /** Answers only what is asked as documented. */
  const standIn = async (json: string): Promise<void> => {
    await writeFile(
      program,
      `#!/bin/sh\n[ "$*" = "smart-log /dev/nvme0 -o json" ] || { echo "wrong arguments: $*" >&2; exit 2; }\ncat <<'END'\n${json}\nEND\n`,
    );
    await chmod(program, 0o755);
  };
  const disk = nvmeSmartLog({ folder, program, disk: async () => 'nvme0n1' });
  await standIn(JSON.stringify(SMART));
  t.same(await disk.read(signal), {
    usedPercent: 3,
    sparePercent: 100,
    warnings: [],
    mediaErrors: 0,
    celsius: 45,
  });
  await standIn(JSON.stringify({ ...SMART, critical_warning: 9, percent_used: 104, media_errors: '7' }));
  t.same(await disk.read(signal), {
    usedPercent: 104,
    sparePercent: 100,
    warnings: ['its spare is used up', 'it can only be read'],
    mediaErrors: 7,
    celsius: 45,
  });
  await standIn('no such thing');
  await t.rejects(disk.read(signal), { code: 'sensor_failed', message: /cannot be understood/ });
  await writeFile(program, '#!/bin/sh\necho "/dev/nvme0: Permission denied" >&2; exit 1\n');
  await t.rejects(disk.read(signal), {
    code: 'sensor_failed',
    message: /does not say how worn it is.*Permission denied/,
  });
  await t.rejects(nvmeSmartLog({ folder, program, disk: async () => 'sda' }).read(signal), {
    code: 'sensor_failed',
    message: /the disk sda .* is no NVMe disk/,
  });
  await t.rejects(
    nvmeSmartLog({ folder, program: join(folder, 'gone/nvme'), disk: async () => 'nvme0n1' }).read(signal),
    {
      code: 'program_missing',
      message: /apt-get install -y nvme-cli/,
    },
  );
  // It never ends by itself: the time limit of who asks ends it.
  await writeFile(program, '#!/bin/sh\nexec sleep 600\n');
  await t.rejects(disk.read(AbortSignal.timeout(100)), { name: 'TimeoutError' });
  const simulated = simulatedDiskCondition();
  t.match(await simulated.read(signal), { usedPercent: 3 });
  simulated.set(null);
  await t.rejects(simulated.read(signal), { code: 'sensor_failed' });
});

t.test('the disk below a folder', async (t) => {
  const root = t.testdir({
    procfs: { self: { mountinfo: '' } },
    sysfs: { dev: { block: {} } },
    'the disk': { deep: {} },
  });
  const [procfs, sysfs, folder] = [join(root, 'procfs'), join(root, 'sysfs'), join(root, 'the disk')];
  const mounts = (...lines: string[]): Promise<void> =>
    writeFile(join(procfs, 'self/mountinfo'), `${lines.join('\n')}\n`);
  const octal = folder.replaceAll(' ', '\\040');
  const below = (path = join(folder, 'deep')): Promise<string> => diskBelow(path, { procfs, sysfs });
  await symlink(
    '../../devices/pci0000:00/0000:01:00.0/nvme/nvme0/block/nvme0n1/nvme0n1p2',
    join(sysfs, 'dev/block/259:2'),
  );
  await symlink('../../devices/platform/mmc/block/mmcblk0', join(sysfs, 'dev/block/179:0'));
  await mounts(
    '22 1 179:0 / / rw - ext4 /dev/mmcblk0 rw',
    `36 22 259:2 / ${octal} rw,noatime shared:1 - ext4 /dev/nvme0n1p2 rw`,
  );
  t.equal(await below(), 'nvme0n1', 'a partition is of its disk');
  t.equal(await below(root), 'mmcblk0', 'outside of the mount it is the disk of the root');
  await mounts('22 1 0:25 / / rw - overlay overlay rw');
  await t.rejects(below(), { code: 'sensor_failed', message: /is on overlay \(overlay\), which is no disk/ });
  await t.rejects(below(join(root, 'nothing')), { code: 'sensor_failed', message: /it is not there/ });
});

t.test('the disk below a folder of this machine is the one that stat says, or none', async (t) => {
  const found = await diskBelow('/').catch((error: Error) => error);
  const { dev } = await stat('/');
  // Numbers of a device as glibc packs them.
  const numbers = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const link = await readlink(`/sys/dev/block/${numbers}`).catch(() => undefined);
  if (found instanceof Error) t.equal(link, undefined, found.message);
  else t.match(link, new RegExp(`/${found}(/|$)`));
});
