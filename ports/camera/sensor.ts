import type { Writable } from 'node:stream';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import { matroskaFrameHead } from './matroska.ts';

export interface SensorOptions {
  readonly clock: Clock;
  readonly fps: number;
  /** Takes the stream; its head is written already. */
  readonly sink: Writable;
  /** The picture of an instant (wall time, microseconds). It is read before the next one is asked for. */
  picture(wallUs: number): Uint8Array;
}

export interface Sensor {
  /** When the first frame was exposed, monotonic microseconds; never settles if there is none. */
  readonly firstFrameMonoUs: Promise<number>;
  stop(): Promise<void>;
}

/** What the camera's own buffers hold: a frame that is not taken within this is lost. It also covers the encoder's start. */
const BUFFERED_SEC = 2;

/**
 * Exposes frames on a beat of its own, whether or not the machine is busy just then, and hands them over one after the other as they are
 * taken. Those that wait are kept as instants: a picture is made when it is its turn.
 */
export function startSensor({ clock, fps, sink, picture }: SensorOptions): Sensor {
  const first = Promise.withResolvers<number>();
  const control = new AbortController();
  const waiting: number[] = [];
  let handingOver = false;
  const originUs = clock.monoUs();

  const handOver = (): void => {
    if (handingOver || sink.destroyed || sink.writableEnded) return;
    const exposedUs = waiting.shift();
    if (exposedUs === undefined) return;
    handingOver = true;
    const samples = picture(wallAt(clock, exposedUs));
    sink.cork();
    sink.write(matroskaFrameHead(exposedUs - originUs, samples.byteLength));
    sink.write(samples, () => {
      handingOver = false;
      handOver();
    });
    sink.uncork();
    first.resolve(exposedUs);
  };

  const expose = async (): Promise<void> => {
    const periodUs = 1e6 / fps;
    for (let n = 0; !sink.destroyed; n++) {
      const exposedUs = Math.round(originUs + n * periodUs);
      await clock.sleepUntil(exposedUs, 'next exposure', control.signal);
      const late = clock.monoUs() - exposedUs > BUFFERED_SEC * 1e6;
      if (late || waiting.length >= BUFFERED_SEC * fps) continue;
      waiting.push(exposedUs);
      handOver();
    }
  };
  const running = expose().catch((error: unknown) => {
    if (!control.signal.aborted) throw error;
  });
  return {
    firstFrameMonoUs: first.promise,
    async stop() {
      control.abort();
      await running;
    },
  };
}
