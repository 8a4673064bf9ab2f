import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { childPrograms } from '../fixtures/child-programs.ts';
import { USB_CAMERA } from '../fixtures/v4l2-lists.ts';

const clock = systemClock();
const never = new AbortController().signal;
const path = process.env.PATH ?? '';
const camera = (device: string): Camera =>
  configuredCamera({ camera: CameraConfig.parse({ source: 'v4l2', device }), position: 'center' }, clock);

/** A `v4l2-ctl` that says this, before all others. */
function listing(dir: string, script: string): void {
  writeFileSync(join(dir, 'v4l2-ctl'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, 'v4l2-ctl'), 0o755);
  process.env.PATH = `${dir}${delimiter}${path}`;
}
t.afterEach(() => {
  process.env.PATH = path;
});

t.test('a camera that is not there is named, and so is the program that is missing', async (t) => {
  process.env.PATH = t.testdir({});
  await t.rejects(camera('/dev/video7').probe(never), {
    code: 'program_missing',
    message: 'v4l2-ctl is not installed: apt-get install -y v4l-utils',
  });
  listing(t.testdir({}), 'echo "Cannot open device $2, exiting." >&2; exit 1');
  await t.rejects(camera('/dev/video7').probe(never), {
    code: 'camera_missing',
    field: 'camera.device',
    message: /there is no camera at \/dev\/video7: .*Cannot open device \/dev\/video7, exiting/,
  });
  listing(t.testdir({}), 'echo "ioctl: VIDIOC_ENUM_FMT"');
  await t.rejects(camera('/dev/video7').probe(never), { code: 'camera_missing', message: /formats: none/ });
});

t.test('one that is pulled out between the look and the start has failed', async (t) => {
  const dir = t.testdir({ list: USB_CAMERA });
  listing(dir, `cat ${join(dir, 'list')}`);
  const usb = camera('/dev/video-that-was-there');
  const { requested, profiles } = await usb.probe(never);
  t.equal(requested, 'h265 1920x1080@30');
  t.match(profiles[0], { rung: 'x265-ultrafast', width: 1920, height: 1080, fps: 30 });
  const stream = await usb.open({ cueMonoUs: clock.monoUs(), profile: profiles[0], signal: never });
  stream.output.resume();
  t.match(await stream.ended, {
    code: 'camera_failed',
    message: /the camera v4l2 ended: ffmpeg .*No such file/,
  });
  await stream.close();
  t.same(childPrograms(), []);
});
