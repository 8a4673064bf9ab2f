import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TouchlineError } from '#contracts/errors.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { createLogger } from '#runtime/logger.ts';
import { createPreview } from '#services/recorder/preview.ts';
import { decodePicture } from '#services/recorder/preview-picture.ts';

const log = createLogger({ name: 'test', level: 'silent' });

t.test('what was wrong with the camera is not said again when a start takes it from a preview', async (t) => {
  const clock = manualClock();
  let loose = true;
  let opened = 0;
  const camera: Camera = {
    source: 'loose',
    live: true,
    probe: async () => ({
      requested: 'h264 2x2@30',
      profiles: [{ width: 2, height: 2, fps: 30, codec: 'h264', bitrateMbps: 1, rung: 'copy' }],
    }),
    // It never gets as far as a picture: a start comes first.
    open: ({ signal }) =>
      new Promise((_resolve, reject) => {
        opened++;
        if (loose) reject(new TouchlineError('camera_missing', 'the ribbon is loose'));
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
  };
  const preview = createPreview({ camera, clock, log, taken: () => false });
  t.teardown(() => preview.stop());
  const refused = preview.picture(480).catch((error: Error) => error.message);
  await clock.advance(100);
  t.equal(await refused, 'the ribbon is loose');

  loose = false;
  const late = preview.picture(480).catch((error: Error) => error.message);
  await clock.advance(100);
  t.equal(opened, 2);
  preview.yield();
  await clock.advance(10_000);
  t.equal(await late, 'no picture from loose for 8 s');
});

t.test('the decoder is the first to go when memory or the processor are short', async (t) => {
  const folder = t.testdir({
    ffmpeg: '#!/bin/sh\ncat > /dev/null\ncat /proc/self/oom_score_adj\nnice\n',
  });
  chmodSync(join(folder, 'ffmpeg'), 0o755);
  const path = process.env.PATH;
  process.env.PATH = `${folder}:${path}`;
  t.teardown(() => {
    process.env.PATH = path;
  });
  const bytes = Buffer.from('film');
  const picture = await decodePicture(
    { kind: 'initialisation', bytes, timescale: 1000, width: 1280, height: 720, sampleEntry: 'avc1' },
    { kind: 'fragment', bytes, times: [0], endTime: 200, keyframe: true },
    480,
  );
  t.equal(picture.toString(), '1000\n19\n');
});
