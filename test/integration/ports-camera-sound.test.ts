import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CameraConfig } from '#contracts/camera-config.ts';
import type { Fragment } from '#domain/fmp4/fragments.ts';
import { configuredCamera } from '#ports/camera/configured-camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { type Pipeline, runPipeline } from '#services/recorder/pipeline.ts';
import type { SoundState } from '#services/recorder/sound.ts';
import { childPrograms, killProgram } from '../fixtures/child-programs.ts';
import { beepsOf, startMicrophone } from '../fixtures/microphone.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';

// Camera and microphone run in real time.
t.setTimeout(180_000);

const clock = systemClock();
const dir = t.testdir({});
const camera = configuredCamera(
  {
    camera: CameraConfig.parse({ source: 'test-pattern', height: 144, bitrate_mbps: 1 }),
    position: 'center',
  },
  clock,
);

/** Records `seconds` of film; `at` is called once for each second that is there. A busy machine, on which the camera stalls, has a few attempts. */
async function record(...args: Parameters<typeof recordOnce>): ReturnType<typeof recordOnce> {
  for (let attempt = 0; ; attempt++) {
    const result = await recordOnce(...args).catch((error: unknown) => {
      if (attempt < 3 && error instanceof Error && /^no frame from/.test(error.message)) return undefined;
      throw error;
    });
    if (result) return result;
  }
}

async function recordOnce(
  name: string,
  device: string,
  seconds: number,
  at: (second: number) => void = () => undefined,
) {
  const [profile] = (await camera.probe(new AbortController().signal)).profiles;
  const control = new AbortController();
  const fragments: Fragment[] = [];
  const states: SoundState[] = [];
  let pipeline: Pipeline | undefined;
  let told = 0;
  await runPipeline(
    {
      camera,
      clock,
      profile,
      cueMonoUs: clock.monoUs(),
      audio: { device, channels: 1 },
      signal: control.signal,
    },
    {
      opened: (opened) => {
        pipeline = opened;
      },
      fragment: (fragment) => {
        fragments.push(fragment);
        const sec = fragment.endTime / (pipeline?.initialisation.timescale ?? 1);
        while (told < Math.floor(sec)) at(++told);
        if (sec >= seconds) control.abort();
      },
      sound: (state) => states.push(state),
    },
  );
  if (!pipeline) throw new Error('nothing was recorded');
  const path = join(dir, name);
  writeFileSync(path, Buffer.concat([pipeline.initialisation.bytes, ...fragments.map(({ bytes }) => bytes)]));
  return { path, pipeline, states, frames: await readBurnedClock(path) };
}

/** By how much each beep is from the whole second that the pictures show then, milliseconds. */
async function misalignments({ path, frames }: Awaited<ReturnType<typeof record>>): Promise<number[]> {
  const [first] = frames;
  if (!first) throw new Error('no picture');
  return (await beepsOf(path)).map((beepSec) => {
    const wallUs = first.epochUs + beepSec * 1e6 - first.ptsUs;
    return ((wallUs + 500_000) % 1e6) / 1000 - 500;
  });
}

/** The program that has the microphone. */
function capturing(): number {
  const pid = childPrograms().find((one) =>
    readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('\0alsa\0'),
  );
  if (pid === undefined) throw new Error('nobody listens');
  return pid;
}

t.test('sound and pictures are together, and pictures stay when the microphone goes', async (t) => {
  const microphone = await startMicrophone(dir, clock);
  t.teardown(() => microphone.stop());
  // The stand-in hands over one sample at a time: a machine that is busy elsewhere takes them late, so the best of a few counts.
  let off: number[] = [];
  for (let attempt = 0; attempt < 7 && (off.length < 3 || Math.max(...off.map(Math.abs)) >= 20); attempt++) {
    const whole = await record(`whole-${attempt}.mp4`, microphone.device, 6);
    t.match(whole.states.at(-1), { live: true, reason: null });
    // In its first second a microphone is still being learnt.
    off = (await misalignments(whole)).slice(1);
  }
  t.ok(off.length >= 3, `${off.length} beeps`);
  t.ok(Math.max(...off.map(Math.abs)) < 20, `together to ${off.map((ms) => ms.toFixed(1))} ms`);

  const interrupted = await record('interrupted.mp4', microphone.device, 12, (second) => {
    if (second === 3) killProgram(capturing());
    if (second === 8) microphone.hang(1200);
  });
  t.match(
    interrupted.states,
    [
      { live: true, reason: null },
      { live: false, reason: /no sound from field: ended by SIGKILL/ },
      { live: true },
      { live: false, reason: 'no sound from field: it sends nothing' },
      { live: true },
    ],
    'it is told, and comes back',
  );
  const apart = interrupted.frames.map(
    ({ epochUs }, n) => epochUs - (interrupted.frames[n - 1]?.epochUs ?? epochUs),
  );
  t.ok(Math.max(...apart) < 100_000, `no picture is missing: ${Math.max(...apart)} us from one to the next`);
  const after = await misalignments(interrupted);
  t.ok(after.length >= 4 && after.length < 11, `${after.length} beeps are left`);
  t.ok(Math.max(...after.map(Math.abs)) < 150, `at their places, to ${after.map((ms) => ms.toFixed(1))} ms`);
  t.same(childPrograms(), []);
});

t.test('without a microphone there are pictures, and a reason', async (t) => {
  const { frames, states } = await record('silent.mp4', 'no-such-device', 2);
  t.ok(frames.length >= 55, `${frames.length} pictures`);
  t.match(states, [{ live: false, reason: /no sound from no-such-device: / }]);
  t.same(childPrograms(), []);
});
