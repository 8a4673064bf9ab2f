import { copyFileSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { openBaseImage } from '../../cli/image/base-image.ts';
import { readLayout } from '../../cli/image/boot-partition.ts';
import { IMAGE_BYTES, makeBalenaImage, runProgram } from '../fixtures/balena-image.ts';
import { layRig, RIG, touchline } from '../fixtures/image-rig.ts';

const folder = t.testdir({ base: {}, gpt: {}, foreign: {}, out: {} });
const base = makeBalenaImage(join(folder, 'base'));
const rigFile = layRig(join(folder, 'rig'));
const out = join(folder, 'out');
const path = (name: string): string => join(folder, name);

/** A build that has to fail, and leaves nothing behind. */
async function refuses(t: Test, image: string, rig: string, expected: RegExp): Promise<void> {
  const { err, code } = await touchline(['image', 'build', '--base', image, '--rig', rig, '--out', out]);
  t.equal(code, 1);
  t.match(err, expected);
  t.notMatch(err, /\n {4}at /, 'no stack: it is nobody’s defect');
  t.same(readdirSync(out), [], 'nothing is left');
}

t.test('images that are cut off, foreign or not there', async (t: Test) => {
  const packed = gzipSync(readFileSync(base), { level: 1 });
  writeFileSync(path('half.img.gz'), packed.subarray(0, packed.length - 1000));
  await refuses(t, path('half.img.gz'), rigFile, /half.img.gz: is cut off/);

  copyFileSync(base, path('half.img'));
  truncateSync(path('half.img'), 5 * 1024 * 1024);
  await refuses(t, path('half.img'), rigFile, /half.img: is cut off: partition 1 ends at byte 9437184/);

  writeFileSync(path('letter.txt'), 'Dear fleet, this is no image.\n'.repeat(100));
  await refuses(t, path('letter.txt'), rigFile, /letter.txt: has no partition/);
  await refuses(
    t,
    makeBalenaImage(path('foreign'), { label: 'bootfs' }),
    rigFile,
    /no partition resin-boot.*bootfs/,
  );
  await refuses(t, path('absent.img'), rigFile, /absent.img: cannot be read \(ENOENT\)/);

  writeFileSync(path('broken.zip'), Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(3000)]));
  await refuses(t, path('broken.zip'), rigFile, /broken.zip: is cut off/);
  runProgram('zip', ['-q', '-j', path('none.zip'), path('letter.txt')]);
  await refuses(t, path('none.zip'), rigFile, /no file that ends in .img/);
});

t.test('images and devices of another kind, and what opens a fleet', async (t: Test) => {
  const make = (name: string, options: Parameters<typeof makeBalenaImage>[1]): string => {
    mkdirSync(path(name));
    return makeBalenaImage(path(name), options);
  };
  await refuses(
    t,
    make('pi4', { deviceType: 'raspberrypi4-64' }),
    rigFile,
    /for raspberrypi4-64.*raspberrypi5/,
  );
  const open = make('open', { configJson: { deviceType: 'raspberrypi5', apiKey: 'of-the-fleet' } });
  await refuses(t, open, rigFile, /apiKey is the key of a whole fleet/);
  const other = make('other', { configJson: { deviceType: 'raspberrypi5', uuid: '9'.repeat(32) } });
  await refuses(t, other, rigFile, /has the uuid of a device already/);

  const firmware = {
    config_json: [{ key: 'developmentMode', value: true, why: 'Somebody wanted to look into it.' }],
  };
  await refuses(t, base, layRig(path('development'), { firmware }), /developmentMode opens the host/);
  const hawkeye = RIG.cameras.map((camera) => ({ ...camera, module: 'hawkeye-64mp' }));
  await refuses(t, base, layRig(path('hawkeye'), { cameras: hawkeye }), /has no overlay arducam-64mp/);
  const unknown = { node: [{ key: 'signals.panell', value: 'gpio', why: 'A slip of the hand.' }] };
  await refuses(t, base, layRig(path('slip'), { firmware: unknown }), /signals.panell/);
  const shared = layRig(path('shared'));
  copyFileSync(path('shared/CAM_L.json'), path('shared/CAM_R.json'));
  await refuses(t, base, shared, /CAM_R and CAM_L have the same uuid/);
  await refuses(t, base, layRig(path('typo'), { hardwear: [] }), /rig.yml: .*hardwear/);
});

t.test(
  'zip and xz give the same image; too much is refused; partitions with names are found',
  async (t: Test) => {
    runProgram('zip', ['-q', '-1', '-j', path('base.zip'), base]);
    writeFileSync(path('base.img.xz'), runXz(base));
    const shell = {
      env: { PATH: process.env.PATH },
      superuser: false,
      stderr: Object.assign(process.stderr, {}),
    };
    const quiet = { ...shell, stderr: { write: () => true } } as unknown as Parameters<
      typeof openBaseImage
    >[0];
    const { signal } = new AbortController();
    const opened = async (file: string, maxBytes?: number) => {
      const work = t.testdir({});
      return openBaseImage(quiet, file, work, { signal, ...(maxBytes === undefined ? {} : { maxBytes }) });
    };
    const plain = await opened(base);
    t.match(plain, { deviceType: 'raspberrypi5', sizeBytes: IMAGE_BYTES, layout: { table: 'mbr' } });
    for (const name of ['base.zip', 'base.img.xz'])
      t.equal((await opened(path(name))).sha256, plain.sha256, name);
    await t.rejects(opened(path('base.zip'), 1024 * 1024), {
      code: 'image_invalid',
      message: /larger than 1048576/,
    });

    const layout = await readLayout(makeBalenaImage(path('gpt'), { table: 'gpt' }));
    t.match(layout, { table: 'gpt', boot: { index: 1, name: 'resin-boot', offset: 1024 * 1024 } });
    t.equal(layout.partitions[1]?.name, 'resin-rootA');
  },
);

function runXz(file: string): Buffer {
  runProgram('xz', ['-0', '--keep', '--force', file]);
  return readFileSync(`${file}.xz`);
}
