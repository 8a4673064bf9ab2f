import { toWireTime } from '#contracts/time.ts';
import { stepDown } from '#domain/ladder/choose.ts';
import { type FrameCount, frameCount, strainDetector } from '#domain/ladder/strain.ts';
import { profileName } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Devices } from './devices.ts';
import type { Ladder } from './ladder.ts';
import type { PipelineListener } from './pipeline.ts';
import type { Take } from './take.ts';

/** Looks after the encoder: measures it while the node has nothing to do, and takes it a rung down when a recording strains it. */
export interface EncoderCare {
  /** What the camera of a recording delivers, before anything waits for a disk. */
  readonly listener: PipelineListener;
  /** On a beat. `take`: the recording that runs. `idle`: nothing goes on that needs the machine. */
  look(now: { readonly take: Take | undefined; readonly idle: boolean }): void;
  /** The machine is needed: a measurement ends at once. */
  yield(): void;
  stop(): Promise<void>;
}

/** What the camera of the recording at hand delivers. */
interface Stream {
  readonly frames: FrameCount;
  readonly originMonoUs: number;
  readonly usPerTick: number;
  /** When the newest frame ended, monotonic microseconds; undefined before the first. */
  endMonoUs: number | undefined;
}

/** A node that has just started, or just finished, is not idle yet. */
const IDLE_FOR_US = 60_000_000;
/** Between two looks at a recording. */
const LOOK_US = 1_000_000;

export function createEncoderCare(deps: {
  readonly ladder: Ladder;
  readonly devices: Devices;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  /** Whether the encoder of this camera is to be measured. */
  readonly measures: boolean;
  readonly changed: () => void;
}): EncoderCare {
  const { ladder, devices, clock, bus, log } = deps;
  const detector = strainDetector();
  let idleSinceUs: number | undefined;
  let measuring: { readonly control: AbortController; readonly done: Promise<void> } | undefined;
  let stream: Stream | undefined;
  let lookedUs: number | undefined;

  const measure = (): void => {
    const { offer } = devices;
    if (!offer || measuring || !ladder.open(offer)) return;
    const control = new AbortController();
    const done = ladder
      .measure(offer, control.signal)
      .catch((error: unknown) => {
        if (!control.signal.aborted) log.warn({ err: error }, 'the encoder could not be measured');
      })
      .finally(() => {
        measuring = undefined;
        idleSinceUs = undefined;
        deps.changed();
      });
    measuring = { control, done };
  };

  const watch = (take: Take): void => {
    if (stream?.endMonoUs === undefined || take.stopping) {
      lookedUs = undefined;
      return;
    }
    const atUs = clock.monoUs();
    if (lookedUs !== undefined && atUs - lookedUs < LOOK_US) return;
    const { profile } = take.profile;
    const frames = stream.frames.take(profile.fps);
    const begins = lookedUs === undefined;
    lookedUs = atUs;
    // What came before the first look may have been kept before the start.
    if (begins) return;
    const strain = detector.push({ atUs, ...frames, backlogUs: Math.max(0, atUs - stream.endMonoUs) });
    if (strain.verdict === 'holds') return;
    detector.reset(atUs);
    const lighter = devices.offer && stepDown(devices.offer.profiles, profile);
    if (!lighter) return;
    const [from, to] = [profileName(profile), profileName(lighter)];
    const reason = `stepped down from ${from} (${profile.rung}): ${strain.reason}`;
    log.warn({ from, to, at: toWireTime(Math.round(clock.wallUs())) }, reason);
    take.switchTo(lighter, reason);
    bus.emit('recording/profile', { session_uid: take.sessionUid, from, to, reason: strain.reason });
    deps.changed();
  };

  return {
    listener: {
      // Another stream begins anew; what lies between two is no strain.
      opened({ originMonoUs, initialisation }) {
        const usPerTick = 1e6 / initialisation.timescale;
        stream = { frames: frameCount(), originMonoUs, usPerTick, endMonoUs: undefined };
        lookedUs = undefined;
      },
      fragment({ times, endTime }) {
        if (!stream || times.length === 0) return;
        const { originMonoUs, usPerTick } = stream;
        stream.frames.add(times.map((time) => time * usPerTick));
        stream.endMonoUs = originMonoUs + endTime * usPerTick;
      },
    },
    look({ take, idle }) {
      if (take) watch(take);
      else stream = undefined;
      if (!idle) {
        idleSinceUs = undefined;
        measuring?.control.abort();
      } else {
        idleSinceUs ??= clock.monoUs();
        if (deps.measures && clock.monoUs() - idleSinceUs > IDLE_FOR_US) measure();
      }
    },
    yield() {
      measuring?.control.abort();
    },
    async stop() {
      measuring?.control.abort();
      await measuring?.done;
    },
  };
}
