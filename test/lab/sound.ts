import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromWireTime } from '#contracts/time.ts';
import { findBeep } from '#domain/alignment/beep.ts';
import { claimOf } from '#domain/alignment/claim.ts';
import { readClocks } from '#ports/film/burned-clock.ts';
import { readSound } from '#ports/film/sound-track.ts';
import { bundle, shareWith } from './machine/bundle.ts';
import { copyOut, makeDisk } from './machine/disk.ts';
import { boot } from './machine/guest.ts';
import { type LabResult, runLab } from './machine/lab.ts';
import { loneNode, SMALL_PICTURE } from './machine/lone-node.ts';
import { judgeDisk } from './recordings/judge.ts';

/**
 * The start beep through a real ALSA card, the kernel's loopback: a node sounds it at the agreed instant, hears itself, and records. Where it is in
 * the track is compared with where the manifest says it is, and the pictures with their own clock.
 */

const RECORD_SEC = 5;
const JOB_MS = 600_000;
/** What one machine says and hears of itself may differ by this: a frame, and what a busy host adds. */
const OFF_MS_MAX = 60;

const CONFIG = loneNode({
  sync: {
    master: 'CAM_C',
    // Time to open the card before the instant.
    start_lead_ms: 3000,
    beep: { enabled: true, device: 'plughw:Loopback,0' },
  },
  audio: { enabled: true, device: 'plughw:Loopback,1' },
});

await runLab('sound', 1, async ({ machine }): Promise<LabResult> => {
  const { folder } = machine;
  const failures: string[] = [];
  const share = await shareWith(join(folder, 'share-sound'), await bundle('node.ts', folder));
  writeFileSync(join(share, 'node.yml'), JSON.stringify(CONFIG));
  const disks = [join(folder, 'recordings.img'), join(folder, 'state.img')] as const;
  await makeDisk(disks[0], 128);
  await makeDisk(disks[1], 24);
  const guest = await boot(machine, {
    name: 'sound',
    job: 'sound.sh',
    share,
    disks,
    time: 'virtual',
    variables: { TASK: 'film', SECONDS: String(RECORD_SEC), CONFIG: '/host/node.yml' },
  });
  try {
    await guest.done(JOB_MS);
  } finally {
    await guest.cutPower();
  }
  const out = join(folder, 'out');
  await copyOut(disks[0], out);
  const { files, faults } = await judgeDisk(out, SMALL_PICTURE.fps, 'with a clock');
  failures.push(...faults, ...files.flatMap(({ wrong }) => wrong));
  const [film] = files;
  if (!film?.manifest) throw new Error(`nothing was recorded; ${guest.lines.slice(-20).join('\n')}`);
  const { touchline } = film.manifest;
  const claim = claimOf(film.manifest, []);
  const path = join(out, film.path);
  const sound = await readSound(path, { fromUs: 0, toUs: claim.durationUs });
  const beep = findBeep(sound.samples, sound.rateHz);
  const saidUs = touchline.beep_at === null ? null : fromWireTime(touchline.beep_at) - claim.startUs;
  if (touchline.audio === null) failures.push('the file has no sound');
  if (!beep.found) failures.push(`the beep was not heard: ${beep.reason}`);
  const heardOffMs = beep.found && saidUs !== null ? (sound.fromUs + beep.atUs - saidUs) / 1000 : null;
  if (heardOffMs !== null && Math.abs(heardOffMs) > OFF_MS_MAX)
    failures.push(`the beep was heard ${heardOffMs.toFixed(1)} ms from where it was said to be`);
  const [first] = await readClocks(path, { frames: 1 });
  const pixelOffMs =
    first?.epochUs === undefined ? null : (first.epochUs - fromWireTime(touchline.first_frame.local)) / 1000;
  if (pixelOffMs === null || Math.abs(pixelOffMs) > OFF_MS_MAX)
    failures.push(`the first picture shows a time ${pixelOffMs ?? 'that cannot be read'} ms off`);
  return {
    figures: {
      beep_heard: beep.found,
      // Only where ALSA knows it: a guest that was held up interrupts its own sound.
      beep_told: saidUs !== null,
      beep_off_ms: heardOffMs === null ? null : Math.round(heardOffMs * 1000) / 1000,
      beep_uncertainty_us: beep.found ? Math.round(beep.uncertaintyUs) : null,
      sounded_after_start_ms:
        touchline.beep_at === null
          ? null
          : (fromWireTime(touchline.beep_at) - fromWireTime(touchline.start_at)) / 1000,
      picture_off_ms: pixelOffMs === null ? null : Math.round(pixelOffMs * 1000) / 1000,
      frames: touchline.frames,
      node_said: guest.lines.filter((line) => line.includes('start beep')),
    },
    failures,
  };
});
