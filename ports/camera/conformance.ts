import type { Clock } from '#ports/clock/clock.ts';
import type { Camera, CameraStream } from './camera.ts';
import type { StreamFormat } from './encoders.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  match(found: unknown, wanted: object, message: string): unknown;
  ok(value: unknown, message: string): unknown;
}

/** A camera, and a way to look at the programs it runs and to end them. */
export interface CameraLab {
  readonly camera: Camera;
  readonly clock: Clock;
  /** Process ids of the programs that run for the camera now. */
  programs(): number[];
  kill(pid: number): void;
}

const TS_PACKET_BYTES = 188;
const TS_SYNC = 0x47;
/** The table that each MPEG-TS begins with (ISO/IEC 13818-1). */
const TS_PAT_PID = 0;
const CUE_US = 250_000;
const ENOUGH_BYTES = TS_PACKET_BYTES * 20;

const beginsAs: Record<StreamFormat, (bytes: Buffer) => boolean> = {
  mpegts: (bytes) => {
    for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) if (bytes[at] !== TS_SYNC) return false;
    const pids = [0, 1, 2].map((n) => bytes.readUInt16BE(n * TS_PACKET_BYTES + 1) & 0x1fff);
    return pids.includes(TS_PAT_PID);
  },
  nut: (bytes) => bytes.toString('latin1').startsWith('nut/multimedia container\0'),
};

/** Every camera behaves like this. */
export async function cameraConformance(t: Assertions, lab: CameraLab): Promise<void> {
  const { camera, clock } = lab;
  const never = new AbortController().signal;
  const offer = await camera.probe(never);
  const [mode] = offer.profiles;
  const open = (signal = never, cueUs = CUE_US): Promise<CameraStream> =>
    camera.open({ cueMonoUs: clock.monoUs() + cueUs, profile: mode, signal });

  const sizes = [mode.width, mode.height, mode.fps];
  t.ok(
    sizes.every((value) => Number.isInteger(value) && value > 0),
    'it says what it delivers',
  );
  t.ok(mode.bitrateMbps > 0, 'and how much of it');
  t.same(await camera.probe(never), offer, 'and says the same again');
  t.same(lab.programs(), [], 'asking leaves nothing running');

  const openedUs = clock.monoUs();
  const stream = await open();
  const first = await bytesOf(stream, ENOUGH_BYTES);
  const firstFrameUs = await stream.firstFrameMonoUs;
  t.ok(firstFrameUs >= openedUs && firstFrameUs <= clock.monoUs() + CUE_US, 'its first frame has an instant');
  t.equal(lab.programs().length, 1, 'one program runs for it');
  t.ok(
    beginsAs[stream.format](first),
    `${stream.format} comes out, from its beginning, although it was read late`,
  );
  await stream.close();
  t.same(lab.programs(), [], 'closing leaves nothing running');
  t.equal(await stream.ended, undefined, 'a closed camera has not failed');
  await stream.close();

  const again = await open();
  t.ok((await bytesOf(again, ENOUGH_BYTES)).length >= ENOUGH_BYTES, 'it can be opened again');
  for (const pid of lab.programs()) lab.kill(pid);
  t.match(
    await again.ended,
    { code: 'camera_failed', message: /ended.*SIGKILL/ },
    'a camera whose program dies has failed, and says how',
  );
  await again.close();
  t.same(lab.programs(), [], 'and nothing is left of it');

  const unread = await open();
  await unread.firstFrameMonoUs;
  await unread.close();
  t.same(lab.programs(), [], 'a camera that nobody reads can be closed');

  const hurried = await open();
  await hurried.firstFrameMonoUs;
  await hurried.close('at-once');
  t.same(lab.programs(), [], 'closing at once leaves nothing running either');
  t.equal(await hurried.ended, undefined, 'and is no failure');

  const reason = new Error('no longer wanted');
  const failure = await open(AbortSignal.abort(reason)).catch((error: unknown) => error);
  t.equal(failure, reason, 'opening ends with the reason it was given up for');
  t.same(lab.programs(), [], 'and starts nothing');
}

/** The first bytes of a stream, read by somebody who comes when they are there already. */
async function bytesOf(stream: CameraStream, enough: number): Promise<Buffer> {
  await stream.firstFrameMonoUs;
  await new Promise((resolve) => setImmediate(resolve));
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve) => {
    const done = (): void => resolve(Buffer.concat(chunks));
    stream.output.on('data', (chunk: Buffer) => {
      if (size >= enough) return;
      chunks.push(chunk);
      size += chunk.length;
      if (size >= enough) done();
    });
    stream.output.once('close', done);
  });
}
