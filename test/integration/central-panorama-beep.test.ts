import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import type { Source } from '#central/panorama/plan.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { beepSamples } from '#domain/alignment/beep.ts';
import { additionsOf, tempFolder } from '../fixtures/central.ts';
import { CAMERAS, clockFilm, clocksOf, FPS, panoramaPlace, timeOf } from '../fixtures/clock-films.ts';

const RATE_HZ = 48_000;
const FRAMES = 60;
const BEEP_FRAME = 20;

/** Gives a film the sound of a beep at frame `BEEP_FRAME` of the grid, and a manifest that is `liesFrames` late; its clock guarantees `boundMs`. */
function heard(
  source: Source,
  { start, liesFrames = 0, boundMs = 0.5 }: { start: number; liesFrames?: number; boundMs?: number | null },
): Source {
  const samples = new Float32Array((FRAMES / FPS) * RATE_HZ);
  samples.set(beepSamples(RATE_HZ), Math.round(((BEEP_FRAME - start) / FPS) * RATE_HZ));
  const [sound, file] = [`${source.file}.raw`, source.file.replace('.mp4', '.heard.mp4')];
  writeFileSync(sound, Buffer.from(samples.buffer));
  execFileSync('ffmpeg', [
    ...[
      '-v',
      'error',
      '-y',
      '-i',
      source.file,
      '-f',
      'f32le',
      '-ar',
      String(RATE_HZ),
      '-ac',
      '1',
      '-i',
      sound,
    ],
    ...['-c:v', 'copy', '-c:a', 'aac', file],
  ]);
  const { contents } = source;
  if (!contents) throw new Error('a film without a manifest');
  const additions = additionsOf(contents, {});
  const saidUs = fromWireTime(contents.timing.start_time) + Math.round((liesFrames * 1e6) / FPS);
  return {
    ...source,
    file,
    contents: {
      ...contents,
      touchline: {
        ...additions,
        audio: { codec: 'aac', sample_rate_hz: RATE_HZ, channels: 1 },
        first_frame: { ...additions.first_frame, master: toWireTime(saidUs) },
        clock: { ...additions.clock, bound_ms: boundMs },
        beep_at: toWireTime(timeOf(BEEP_FRAME)),
      },
    },
  };
}

t.test('a camera whose clock is vague is placed by the beep that it heard', async (t) => {
  const root = await tempFolder(t);
  const [L, C, R] = CAMERAS;
  const film = (camera: (typeof CAMERAS)[number], start: number) =>
    clockFilm(root, { camera, start, frames: FRAMES });
  const recordings = [
    heard(await film(L, 0), { start: 0 }),
    heard(await film(C, 2), { start: 2 }),
    heard(await film(R, 3), { start: 3, liesFrames: 5, boundMs: 500 }),
  ];
  const { run } = await panoramaPlace(t, root, recordings);
  const { result } = await run();
  t.match(
    result?.notes.find((note) => note.includes('beep')),
    /^CAM_R is placed 166\.7 ms earlier than its manifest says: the start beep .* to 5\.\d ms, where the clocks guarantee 500\.5 ms$/,
  );
  t.equal(result?.from, toWireTime(timeOf(3)), 'it begins when the last one really began');
  const shown = clocksOf(result?.file ?? '', result?.frames ?? 0);
  t.equal(shown.length, FRAMES - 3, 'to the end of the first');
  const wrong = shown.filter((times, n) => times.some((time) => time !== timeOf(n + 3)));
  t.same(wrong, [], 'all three show the same moment in every frame');
});

t.test('what the clocks know better stays theirs', async (t) => {
  const root = await tempFolder(t);
  const [, C, R] = CAMERAS;
  const recordings = [
    heard(await clockFilm(root, { camera: C, start: 0, frames: FRAMES }), { start: 0 }),
    // Heard a frame late, for whatever reason: its clock knows to half a millisecond.
    heard(await clockFilm(root, { camera: R, start: 0, frames: FRAMES }), { start: -1 }),
  ];
  const { run } = await panoramaPlace(t, root, recordings);
  const { result } = await run();
  t.same(
    result?.notes.filter((note) => note.includes('beep')),
    [],
  );
  t.equal(result?.from, toWireTime(timeOf(0)));
  const [deaf] = recordings;
  const { run: again } = await panoramaPlace(t, await tempFolder(t), [
    { ...(deaf as Source), file: (deaf as Source).file.replace('.heard', '') },
    recordings[1] as Source,
  ]);
  t.ok((await again()).result, 'a film without the sound that its manifest promises is no failure');
});
