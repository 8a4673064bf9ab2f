import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { beepSamples } from '#domain/alignment/beep.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { alsaSpeaker } from '#ports/sound/alsa-speaker.ts';
import { parseStatus } from '#ports/sound/alsa-status.ts';
import { speakerConformance } from '#ports/sound/conformance.ts';
import { memorySpeaker } from '#ports/sound/memory-speaker.ts';
import { tempFolder } from '../fixtures/central.ts';

const clock = systemClock();
const heardIn = (folder: string): { monoUs: number; samples: number[] }[] =>
  existsSync(join(folder, 'heard.jsonl'))
    ? readFileSync(join(folder, 'heard.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];

/** A program `aplay`, with a folder for what it tells. */
async function aplayIn(t: Test, script?: string): Promise<{ folder: string; aplay: string }> {
  const folder = await tempFolder(t);
  const aplay = join(folder, 'aplay');
  const standIn = join(import.meta.dirname, '../fixtures/aplay-stand-in.ts');
  writeFileSync(
    aplay,
    `#!/bin/sh\n${script ?? `exec "${process.execPath}" "${standIn}" "${folder}" "$@"`}\n`,
  );
  chmodSync(aplay, 0o755);
  return { folder, aplay };
}

t.test('a loudspeaker in memory behaves like a loudspeaker', async (t) => {
  const byHand = manualClock();
  const speaker = memorySpeaker(byHand);
  await speakerConformance(t, {
    clock: byHand,
    speaker,
    async until(promise) {
      let settled = false;
      const end = promise.finally(() => {
        settled = true;
      });
      end.catch(() => undefined);
      while (!settled) await byHand.advance(50);
      return end;
    },
    heard: async () => speaker.heard.map(({ monoUs, samples }) => ({ monoUs, samples: [...samples] })),
    unplug: async () => speaker.setPresent(false),
  });
  speaker.setPresent(true);
  speaker.setLate(7000);
  const wantedUs = byHand.monoUs() + 100_000;
  const playing = speaker.play({ samples: new Float32Array(48), rateHz: 48_000 }, wantedUs);
  await byHand.advance(200);
  t.equal((await playing).monoUs, wantedUs + 7000, 'a slow one says how slow');
});

t.test('a loudspeaker of ALSA behaves like a loudspeaker', async (t) => {
  const { folder, aplay } = await aplayIn(t);
  const speaker = alsaSpeaker({ device: 'stand-in', clock, aplay, procRoot: join(folder, 'proc') });
  await speakerConformance(t, {
    ...{ clock, speaker },
    until: (promise) => promise,
    heard: async () => heardIn(folder),
    unplug: async () => writeFileSync(join(folder, 'unplugged'), ''),
  });
});

t.test('the beep leaves at the sample that is due', async (t) => {
  const { folder, aplay } = await aplayIn(t);
  const speaker = alsaSpeaker({ device: 'stand-in', clock, aplay, procRoot: join(folder, 'proc') });
  // A machine that is too busy to feed a sound card is late, and says so: then once more.
  for (let attempt = 1; ; attempt++) {
    const wantedUs = clock.monoUs() + 1_500_000;
    const played = await speaker.play({ samples: beepSamples(48_000), rateHz: 48_000 }, wantedUs);
    const offUs = Math.abs(played.monoUs - wantedUs);
    if (attempt < 20 && (offUs > 1000 || played.uncertaintyUs > 1000)) continue;
    t.ok(offUs <= 21, `within a sample: ${offUs} us`);
    break;
  }
});

t.test('where the kernel does not tell, the instant is vague', async (t) => {
  const { folder, aplay } = await aplayIn(t);
  const speaker = alsaSpeaker({ device: 'stand-in', clock, aplay, procRoot: join(folder, 'nowhere') });
  const played = await speaker.play({ samples: beepSamples(48_000), rateHz: 48_000 }, clock.monoUs());
  t.ok(played.uncertaintyUs >= 100_000, `${played.uncertaintyUs} us`);
  t.equal(heardIn(folder).length, 1, 'and it is heard all the same');
});

t.test('what goes wrong has a name', async (t) => {
  const missing = alsaSpeaker({ device: 'default', clock, aplay: '/nowhere/aplay' });
  const sound = { samples: beepSamples(48_000), rateHz: 48_000 };
  await t.rejects(missing.play(sound, clock.monoUs()), {
    code: 'program_missing',
    message: /alsa-utils/,
  });
  const busy = await aplayIn(
    t,
    'echo "aplay: main:831: audio open error: Device or resource busy" >&2; exit 1',
  );
  await t.rejects(alsaSpeaker({ device: 'hw:0', clock, ...busy }).play(sound, clock.monoUs()), {
    code: 'speaker_failed',
    message: /hw:0.*Device or resource busy/,
  });
  const none = await aplayIn(
    t,
    'echo "aplay: main:831: audio open error: No such file or directory" >&2; exit 1',
  );
  await t.rejects(alsaSpeaker({ device: 'hw:7', clock, ...none }).play(sound, clock.monoUs()), {
    code: 'speaker_missing',
    message: /hw:7/,
  });
});

t.test("the kernel's words on a playback", async (t) => {
  const status = [
    ...['state: RUNNING', 'owner_pid   : 4711', 'trigger_time: 812.345678901', 'tstamp      : 813.345678901'],
    ...['delay       : 4800', 'avail       : 0', 'avail_max   : 1200', '-----'],
    ...['hw_ptr      : 44100', 'appl_ptr    : 48900'],
  ].join('\n');
  const hardware = 'access: RW_INTERLEAVED\nrate: 44100 (44100/1)\nperiod_size: 1024\n';
  t.same(parseStatus(status, hardware, 4711), {
    startedUs: 812_345_678.901,
    readUs: 813_345_678.901,
    position: 44_100,
    rateHz: 44_100,
  });
  t.equal(parseStatus(status, hardware, 4712), undefined, 'of another process');
  t.equal(parseStatus(status.replace('RUNNING', 'PREPARED'), hardware, 4711), undefined, 'not begun yet');
  t.equal(parseStatus('closed', 'closed', 4711), undefined);
  t.equal(parseStatus(status, 'closed', 4711), undefined);
});
