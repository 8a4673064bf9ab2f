import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { IMAGE_BYTES, makeBalenaImage } from '../fixtures/balena-image.ts';
import { touchline } from '../fixtures/image-rig.ts';

/** The disks that `lsblk` tells of are regular files here: what writes them is what writes a card. */
const MIB = 1024 * 1024;
const folder = t.testdir({ base: {}, bin: {} });
const image = makeBalenaImage(join(folder, 'base'));
const card = join(folder, 'card');
const OLD = Buffer.alloc(IMAGE_BYTES + MIB, 'old');

interface Part {
  readonly path: string;
  readonly type?: string;
  readonly size?: number;
  readonly ro?: boolean;
  readonly mountpoints?: (string | null)[];
  readonly children?: Part[];
}

const listed = ({ path, children, ...rest }: Part): unknown => ({
  name: path.split('/').at(-1),
  path,
  type: 'disk',
  size: OLD.length,
  ro: false,
  model: 'Card reader ',
  serial: '0815',
  tran: 'usb',
  mountpoints: [null],
  ...rest,
  ...(children === undefined ? {} : { children: children.map(listed) }),
});

/** A machine with these disks. */
function disks(...parts: Part[]): void {
  const text = JSON.stringify({ blockdevices: parts.map(listed) });
  writeFileSync(join(folder, 'bin/lsblk'), `#!/bin/sh\ncat <<'END'\n${text}\nEND\n`);
  chmodSync(join(folder, 'bin/lsblk'), 0o755);
}

const flash = async (device: string, ...rest: string[]) =>
  touchline(['image', 'flash', image, '--device', device, ...rest], { path: join(folder, 'bin') });

t.beforeEach(() => writeFileSync(card, OLD));

t.test(
  'a disk that was named twice is written, read back, and nothing behind the image is touched',
  async (t: Test) => {
    disks({ path: '/dev/sda', mountpoints: ['/'] }, { path: card });
    const { err, code } = await flash(card, '--erase', card);
    t.equal(code, 0, err);
    const written = readFileSync(card);
    t.ok(written.subarray(0, IMAGE_BYTES).equals(readFileSync(image)));
    t.ok(written.subarray(IMAGE_BYTES).equals(OLD.subarray(IMAGE_BYTES)));
    t.match(
      err,
      /writing .*24 MiB of 24 \(100 %\).*back: 24 MiB.*written and read back, SHA-256 [0-9a-f]{64}/s,
    );
  },
);

t.test('what must not be written is refused, and left as it is', async (t: Test) => {
  const boughtAt = statSync(card, { bigint: true }).mtimeNs;
  const untouched = (): boolean => statSync(card, { bigint: true }).mtimeNs === boughtAt;
  const refuses = async (part: Part, expected: RegExp, typed = card): Promise<void> => {
    disks(part);
    const { err, code } = await flash(card, '--erase', typed);
    t.equal(code, 1);
    t.match(err, expected);
    t.ok(untouched(), String(expected));
  };
  const child = (mountpoint: string): Part => ({ path: `${card}1`, type: 'part', mountpoints: [mountpoint] });
  await refuses({ path: card, children: [child('/')] }, /this system runs from it \(\/\)/);
  await refuses({ path: card, children: [child('[SWAP]')] }, /this system runs from it/);
  await refuses(
    {
      path: card,
      children: [
        {
          path: `${card}1`,
          type: 'part',
          children: [{ path: '/dev/mapper/x', type: 'crypt', mountpoints: ['/home'] }],
        },
      ],
    },
    /this system runs from it \(\/home\)/,
  );
  await refuses({ path: card, children: [child('/media/me/CARD')] }, /is mounted \(\/media\/me\/CARD\)/);
  await refuses({ path: card, ro: true }, /read-only/);
  await refuses({ path: card, size: 23 * MIB }, /has 24117248 bytes, the image has 25165824/);
  await refuses(
    { path: '/dev/sdx' },
    /is no disk of this machine.*There are: \/dev\/sdx \(Card reader, usb, 0815, 0.0 GB\)/s,
  );
  await refuses({ path: '/dev/sdx', children: [{ path: card, type: 'part' }] }, /is a part of \/dev\/sdx/);
  await refuses({ path: card }, /"\/dev\/sdb" is not .*nothing was written/, '/dev/sdb');
  disks({ path: card });
  t.match((await flash(card)).err, /no terminal to ask on/);
  t.ok(readFileSync(card).equals(OLD));
});

t.test('an image that is not what the checksum beside it says does not start', async (t: Test) => {
  disks({ path: card });
  writeFileSync(`${image}.sha256`, `${'0'.repeat(64)}  base.img\n`);
  const { err, code } = await flash(card, '--erase', card);
  t.equal(code, 1);
  t.match(err, /another SHA-256 than the file beside it says/);
  t.ok(readFileSync(card).subarray(0, MIB).equals(Buffer.alloc(MIB)), 'it has no partition table');
});
