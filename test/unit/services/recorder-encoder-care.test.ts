import t from 'tap';
import type { Profile } from '#ports/camera/camera.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createLogger } from '#runtime/logger.ts';
import type { Devices } from '#services/recorder/devices.ts';
import { createEncoderCare } from '#services/recorder/encoder-care.ts';
import type { Ladder } from '#services/recorder/ladder.ts';
import type { Take } from '#services/recorder/take.ts';

const BEST: Profile = {
  width: 3840,
  height: 2160,
  fps: 30,
  codec: 'h264',
  bitrateMbps: 30,
  rung: 'x264-superfast',
};
const LIGHTER: Profile = { ...BEST, width: 1920, height: 1080, rung: 'x264-ultrafast' };
const TIMESCALE = 90_000;

/** One whose ladder measures until it is told to stop. */
function careful() {
  const clock = manualClock();
  const switched: string[] = [];
  let measuring = 0;
  const ladder: Pick<Ladder, 'open' | 'measure'> = {
    open: () => true,
    measure: (_offer, signal) =>
      new Promise((_resolve, reject) => {
        measuring++;
        signal.addEventListener('abort', () => {
          measuring--;
          reject(signal.reason);
        });
      }),
  };
  const offer = { requested: 'the best', profiles: [BEST, LIGHTER] };
  const care = createEncoderCare({
    ladder: ladder as Ladder,
    devices: { offer } as unknown as Devices,
    clock,
    bus: { emit: () => undefined } as unknown as Bus,
    log: createLogger({ name: 'test', level: 'silent' }),
    measures: true,
    changed: () => undefined,
  });
  const take = {
    sessionUid: 'a session',
    stopping: false,
    profile: { requested: 'the best', profile: BEST, reason: null },
    // A disk that keeps still says nothing of the encoder.
    newest: () => ({ file: 'a.mp4', frames: 1, endMonoUs: 0 }),
    switchTo: (_profile: Profile, reason: string) => switched.push(reason),
  } as unknown as Take;
  return { clock, care, take, switched, measuring: () => measuring };
}

/** Records for `seconds` what exposes at `exposuresUs` and comes `lateUs(at)` after that; looks as the service does. */
async function record(exposuresUs: number[], lateUs: (atUs: number) => number = () => 150_000, seconds = 60) {
  const { clock, care, take, switched } = careful();
  const originUs = clock.monoUs();
  const initialisation = { kind: 'initialisation' as const, bytes: Buffer.of(), timescale: TIMESCALE };
  care.listener.opened({
    initialisation: { ...initialisation, width: 3840, height: 2160, sampleEntry: 'avc1' },
    originMonoUs: originUs,
    frameSynced: () => false,
  });
  let next = 0;
  for (let n = 0; n < seconds * 10; n++) {
    await clock.advance(100);
    const nowUs = clock.monoUs() - originUs;
    const come: number[] = [];
    for (let at = exposuresUs[next]; at !== undefined && at + lateUs(at) <= nowUs; at = exposuresUs[++next])
      come.push(Math.round((at * TIMESCALE) / 1e6));
    const last = come.at(-1);
    if (last !== undefined)
      care.listener.fragment({
        kind: 'fragment',
        bytes: Buffer.of(),
        times: come,
        endTime: last + TIMESCALE / 30,
        keyframe: true,
      });
    care.look({ take, idle: false });
  }
  await care.stop();
  return switched;
}

/** Exposures at `fps`, but for those that `lost` names. */
const exposures = (fps: number, lost: (n: number) => boolean = () => false): number[] =>
  Array.from({ length: fps * 60 }, (_, n) => (lost(n) ? Number.NaN : (n * 1e6) / fps)).filter(
    (at) => !Number.isNaN(at),
  );

t.test('an encoder is judged by what leaves it', async (t) => {
  t.same(await record(exposures(30)), [], 'it keeps up');
  for (const fps of [25, 20, 12])
    t.same(await record(exposures(fps)), [], `a camera in dim light gives ${fps} frames, evenly`);
  t.same(await record(exposures(30, (n) => n % 200 === 0)), [], 'single ones are missing');
  const losing = await record(exposures(30, (n) => n % 10 === 0));
  t.match(losing[0], /stepped down from h264 3840x2160@30 .*frames were lost in 20 s/);
  const slow = await record(exposures(25, (n) => n % 10 === 0));
  t.match(slow[0], /frames were lost/, 'also those of a camera in dim light');
  const behind = await record(exposures(30), (atUs) => atUs / 4);
  t.match(behind[0], /the encoder fell behind by/);
});

t.test('a measurement goes on only while there is nothing else to do', async (t) => {
  const { clock, care, measuring } = careful();
  const look = async (idle: boolean, seconds: number): Promise<void> => {
    for (let n = 0; n < seconds * 2; n++) {
      await clock.advance(500);
      care.look({ take: undefined, idle });
    }
  };
  await look(true, 50);
  t.equal(measuring(), 0, 'not at once');
  await look(true, 20);
  t.equal(measuring(), 1);
  await look(false, 0.5);
  t.equal(measuring(), 0, 'ended');
  await look(true, 50);
  t.equal(measuring(), 0);
  await look(true, 20);
  t.equal(measuring(), 1, 'and taken up again');
  await care.stop();
  t.equal(measuring(), 0);
});
