import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, shareWith } from './machine/bundle.ts';
import { checkDisk, copyOut, makeDisk } from './machine/disk.ts';
import { boot } from './machine/guest.ts';
import { type LabResult, runLab } from './machine/lab.ts';
import { loneNode } from './machine/lone-node.ts';
import { judgeDisk } from './recordings/judge.ts';

/**
 * Video from the kernel, 3840x2160 at 30 fps: its virtual HDMI source through V4L2, raw, then as a whole node records it; and its virtual media
 * pipeline through libcamera. The guest's clock stands still while it computes, so that encoding 4K in software loses no frame: how fast a
 * machine encodes is not shown here.
 */

const CAMERA = { width: 3840, height: 2160, fps: 30 } as const;
const RECORD_SEC = 3;
const JOB_MS = 900_000;
const LIBCAMERA_FRAMES = 30;
const FPS_TOLERANCE = 0.05;

const CONFIG = loneNode({
  camera: { source: 'v4l2', device: '/dev/video0', ...CAMERA, codec: 'h264', bitrate_mbps: 20 },
});

interface Said {
  readonly camera?: { readonly width: number; readonly height: number; readonly fps: number };
}

await runLab('camera', 1, async ({ machine }): Promise<LabResult> => {
  const { folder } = machine;
  const failures: string[] = [];
  const share = await shareWith(join(folder, 'camera'), await bundle('node.ts', folder));
  writeFileSync(join(share, 'node.yml'), JSON.stringify(CONFIG));
  const disks = [join(folder, 'recordings.img'), join(folder, 'state.img')] as const;
  await makeDisk(disks[0], 256);
  await makeDisk(disks[1], 24);
  const guest = await boot(machine, {
    name: 'camera',
    job: 'camera.sh',
    share,
    disks,
    memMib: 3072,
    time: 'virtual',
    variables: { TASK: 'film', SECONDS: String(RECORD_SEC), CONFIG: '/host/node.yml' },
  });
  try {
    await guest.done(JOB_MS);
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  } finally {
    await guest.cutPower();
  }
  const raw = guest.lines.flatMap((line) => {
    const [, sequence, stamp] = /^RAW .* seq: *(\d+) .* ts: ([0-9.]+)/.exec(line) ?? [];
    return sequence === undefined ? [] : [{ sequence: Number(sequence), stampSec: Number(stamp) }];
  });
  const [first, last] = [raw[0], raw.at(-1)];
  const exposed = first && last ? last.sequence - first.sequence : 0;
  // By the source's own count: a frame that nobody took is no other beat.
  const rawFps = first && last && exposed > 0 ? exposed / (last.stampSec - first.stampSec) : 0;
  if (Math.abs(rawFps - CAMERA.fps) > FPS_TOLERANCE * CAMERA.fps)
    failures.push(`raw frames came at ${rawFps.toFixed(2)} fps`);
  const libcamera = guest.lines.filter((line) => line.startsWith('LIBCAMERA')).length;
  if (libcamera < LIBCAMERA_FRAMES) failures.push(`libcamera delivered ${libcamera} frames`);

  const seen = guest.lines
    .map((line) => /^LAB-SAY (\{.*\})$/.exec(line)?.[1])
    .flatMap((text) => (text === undefined ? [] : [(JSON.parse(text) as Said).camera ?? []]))
    .flat()
    .at(-1);
  const damage = await checkDisk(disks[0]);
  if (damage !== undefined) failures.push(`the file system is not clean: ${damage}`);
  const out = join(folder, 'out');
  await copyOut(disks[0], out);
  const { files, faults } = await judgeDisk(out, seen?.fps ?? CAMERA.fps, 'without');
  failures.push(...faults);
  for (const { path, unplayable, wrong } of files)
    failures.push(...wrong, ...(unplayable === undefined ? [] : [`${path} does not play: ${unplayable}`]));
  const manifests = files.flatMap(({ manifest }) => manifest ?? []);
  const sizes = manifests.map(({ video }) => `${video.resolution.width}x${video.resolution.height}`);
  if (!sizes.includes(`${CAMERA.width}x${CAMERA.height}`))
    failures.push(`the node recorded ${sizes.join(', ') || 'nothing'}`);
  return {
    figures: {
      raw_frames: raw.length,
      raw_frames_lost: Math.max(0, exposed + 1 - raw.length),
      raw_fps: Math.round(rawFps * 100) / 100,
      libcamera_frames: libcamera,
      recorded: sizes,
      recorded_frames: manifests.reduce((sum, { touchline }) => sum + touchline.frames, 0),
      recorded_sec: manifests.reduce((sum, { video }) => sum + video.duration_sec, 0),
      frames_lost: manifests.reduce((sum, { quality }) => sum + (quality?.dropped_frames ?? 0), 0),
      playable: files.filter(({ unplayable }) => unplayable === undefined).length,
      files: files.length,
    },
    failures,
  };
});
